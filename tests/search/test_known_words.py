from clipd.search.known_words import understand
from clipd.search.query import Query, Term


def asked(*terms: Term) -> Query:
    return Query(terms)


def test_words_that_are_all_known_need_no_note() -> None:
    understood = understand(asked(Term(text="two dogs on a beach")), "pocket")
    assert (understood.note, understood.is_nothing) == ("", False)


def test_an_unknown_word_is_named_and_the_rest_is_searched_for() -> None:
    understood = understand(asked(Term(text="a zorblax on the beach")), "pocket")
    assert not understood.is_nothing
    assert understood.note == 'the model pocket does not know "zorblax": searched for the rest'


def test_a_query_of_unknown_words_alone_finds_nothing_and_names_another_model() -> None:
    understood = understand(asked(Term(text="кот")), "pocket")
    assert understood.is_nothing
    assert '"кот"' in understood.note
    assert understood.note.endswith("clipd model use ViT-B-32-256")


def test_words_that_say_nothing_find_nothing() -> None:
    assert understand(asked(Term(text="a photo of the")), "pocket").is_nothing


def test_a_picture_says_something_whatever_the_words_beside_it() -> None:
    query = asked(Term(picture=b"x"), Term(text="zorblax"))
    assert not understand(query, "pocket").is_nothing


def test_what_is_to_be_missing_alone_says_nothing_to_look_for() -> None:
    query = asked(Term(text="zorblax"), Term(weight=-1, text="dog"))
    assert understand(query, "pocket").is_nothing


def test_many_unknown_words_are_counted() -> None:
    text = "dog " + " ".join(f"zor{letter}blax" for letter in "abcdefgh")
    assert "and 3 more: searched" in understand(asked(Term(text=text)), "pocket").note


def test_other_models_are_not_second_guessed() -> None:
    understood = understand(asked(Term(text="zorblax")), "ViT-B-32-256")
    assert (understood.note, understood.is_nothing) == ("", False)


def test_a_script_that_a_model_was_hardly_taught_is_said() -> None:
    understood = understand(asked(Term(text="кот на диване")), "ViT-B-32-256")
    assert not understood.is_nothing
    assert '"кот на диване"' in understood.note
    assert understood.note.endswith("ask in English")
    for text in ("café à Paris", "3:2", "a cat"):
        assert understand(asked(Term(text=text)), "ViT-B-32-256").note == ""
    assert understand(asked(Term(text="кот")), "xlm-roberta-base-ViT-B-32").note == ""
