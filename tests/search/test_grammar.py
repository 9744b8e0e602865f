"""The grammar of queries: what is one part, where each ends, and what is refused where."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clipd.errors import QueryError
from clipd.search.grammar import FilterPart, KnownKeys, QueryPart, TextPart, parse, written

KEYS = KnownKeys(("in", "on", "camera", "like", "not", "tag", "sort"), ("like",))

# Letters of the language itself, often, so that the odd corners are met.
QUERIES = st.text(st.sampled_from('ab1 -:"\\^.|/\n*@é') | st.characters()) | st.lists(
    st.sampled_from(["cat", "-dog", "in:", "like:", '"', "^2", "^0.5", "|", " ", "-", ":", "x^1"])
).map("".join)


def parts(text: str) -> tuple[QueryPart, ...]:
    return parse(text, KEYS)


def test_plain_words_are_one_text() -> None:
    assert parts("red car  at\tnight") == (TextPart("red car at night"),)


def test_a_phrase_a_weight_a_minus_and_a_filter_end_a_text() -> None:
    assert parts('red car^2 beach "two dogs"^.5 -people at night in:x sea') == (
        TextPart("red car", 2),
        TextPart("beach"),
        TextPart("two dogs", 0.5, is_phrase=True),
        TextPart("people", -1),
        TextPart("at night"),
        FilterPart("in", ("x",)),
        TextPart("sea"),
    )


def test_a_minus_before_a_phrase_and_with_a_weight_pushes_away() -> None:
    assert parts('-"red car"^0.5 -sea^2 -') == (
        TextPart("red car", -0.5, is_phrase=True),
        TextPart("sea", -2),
        TextPart("-"),
    )


def test_a_filter_takes_values_with_bars_quotes_and_a_minus() -> None:
    assert parts('-IN:"a b"|c tag:"x\\"y" like:/a^2.jpg like:"/a b"^2 like:b^0.5') == (
        FilterPart("in", ("a b", "c"), is_negated=True),
        FilterPart("tag", ('x"y',)),
        FilterPart("like", ("/a^2.jpg",)),
        FilterPart("like", ("/a b",), weight=2),
        FilterPart("like", ("b",), weight=0.5),
    )


def test_what_only_looks_like_a_filter_is_a_word() -> None:
    for text in ("3:2", "http://a/b", "C^x", "^2", "a:b", "10:30", "in://x", "::", "xyzzy:3"):
        assert parts(text) == (TextPart(text),)


@pytest.mark.parametrize(
    ("text", "span", "words"),
    [
        ('cat "red', (4, 8), "never closed"),
        ("cat camra:canon", (4, 10), "did you mean camera:?"),
        ("cat in: x", (4, 7), "no value"),
        ("in:a|", (0, 5), "no value"),
        ("cat^0", (3, 5), "above 0"),
        ("cat^101", (3, 7), "at most 100"),
        ('a ""', (2, 4), "nothing between"),
        ("like:a^0", (6, 8), "above 0"),
    ],
)
def test_an_error_says_where_it_is_and_what_would_be_right(
    text: str, span: tuple[int, int], words: str
) -> None:
    with pytest.raises(QueryError, match=words.replace("?", r"\?")) as caught:
        parts(text)
    assert caught.value.span == span


@given(QUERIES)
@example("a^1 b")
@example("a^1^1")
@example("-^2")
@example('like:a"')
@example('like:"a^2"')
@example('"a"b^2"')
def test_any_text_is_a_query_or_an_error_with_a_place_and_is_written_back(text: str) -> None:
    try:
        found = parts(text)
    except QueryError as error:
        first, end = error.span
        assert 0 <= first < end <= len(text)
        return
    assert all(0 <= part.span[0] < part.span[1] <= len(text) for part in found)
    assert parts(written(found, KEYS)) == found


@given(st.lists(st.from_regex(r"[b-z]{1,8}", fullmatch=True), min_size=1))
def test_words_are_words(words: list[str]) -> None:
    assert parts(" ".join(words)) == (TextPart(" ".join(words)),)
