import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.pocket.vocabulary import (
    SILENT,
    known_phrases,
    plural,
    says_something,
    split,
    unknown_words,
)


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a photo of two dogs on a sofa", ()),
        ("Golden Retriever, at the BEACH!", ()),
        ("my hot dogs and teddy bears", ()),
        ("zorblax on the beach", ("zorblax",)),
        ("zorblax and Zorblax and qwfp", ("zorblax", "qwfp")),
        ("кот на пляже", ("кот", "на", "пляже")),
        ("dogs, 2019", ()),
        ("", ()),
        ("?!", ()),
    ],
)
def test_words_that_it_cannot_know_are_told_each_once(text: str, unknown: tuple[str, ...]) -> None:
    assert unknown_words(text) == unknown


@pytest.mark.parametrize(
    ("text", "says"),
    [("a photo of the", False), ("zorblax", False), ("", False), ("the beaches", True)],
)
def test_a_text_says_something_if_a_word_of_it_was_taught(text: str, says: bool) -> None:
    assert says_something(text) == says


def test_the_longest_phrase_is_found_first() -> None:
    phrases = {"hot dog", "dog", "traffic light", "light"}
    assert split("Hot dogs under traffic lights, dog", phrases) == [
        *("hot dog", "under", "traffic light", "dog")
    ]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        *(("dog", "dogs"), ("bus", "bus"), ("box", "boxes"), ("city", "cities"), ("boy", "boys")),
        *(("traffic light", "traffic lights"), ("child", "children"), ("fire man", "fire men")),
        *(("bench", "benches"), ("glass", "glasses"), ("sheep", "sheep")),
    ],
)
def test_a_plural_is_made_and_is_known_as_its_singular(one: str, many: str) -> None:
    assert plural(one) == many
    assert split(many, {one}) == [one]


def test_it_knows_some_thousands_of_words_and_everyday_ones_among_them() -> None:
    known = known_phrases()
    assert len(known) > 5_000
    assert known > SILENT
    assert {"dog", "beach", "sunset", "snow", "child", "skateboard", "birthday cake"} <= known


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    unknown = unknown_words(text)
    assert len(set(unknown)) == len(unknown)
    assert not set(unknown) & known_phrases()
