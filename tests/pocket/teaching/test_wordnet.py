from clipd.pocket.teaching.wordnet import Nouns


def test_senses_lemmas_and_glosses_are_read(nouns: Nouns) -> None:
    assert len(nouns.senses) == 6
    assert nouns.senses[3].lemmas == ("dog", "domestic dog")
    assert nouns.senses[3].gloss == "it barks"
    assert nouns.senses[3].above == (2,)


def test_the_commonest_meaning_comes_first(nouns: Nouns) -> None:
    assert nouns.meanings["dog"] == (3, 6)
    assert nouns.meanings["domestic dog"] == (3,)


def test_a_chain_goes_up_to_the_top(nouns: Nouns) -> None:
    assert nouns.chain(4) == {4, 3, 2, 1}
