from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.ctl.query_words import is_slip, query_of, split_options, weighted_phrase
from clipd.search.grammar import FilterPart, TextPart, parse
from clipd.search.query_keys import KEYS

OPTIONS = {"-n": True, "--limit": True, "--json": False, "-0": False, "-h": False}
COMMANDS = ("search", "similar", "open", "show", "copy", "status", "errors", "ping", "pause")


@pytest.mark.parametrize(
    ("words", "options", "query"),
    [
        (["cat", "-people"], [], ["cat", "-people"]),
        (["-people", "cat"], [], ["-people", "cat"]),
        (["cat", "-n", "5", "dog"], ["-n", "5"], ["cat", "dog"]),
        (["-n5", "cat", "-0"], ["-n5", "-0"], ["cat"]),
        (["cat", "--limit", "-5"], ["--limit", "-5"], ["cat"]),
        (["cat", "--limit=5", "--json"], ["--limit=5", "--json"], ["cat"]),
        (["cat", "--", "-n", "--json"], [], ["cat", "-n", "--json"]),
        (["-night", "-0n5", "-5"], ["-0n5"], ["-night", "-5"]),
        (["cat", "-in:Downloads", "-"], [], ["cat", "-in:Downloads", "-"]),
        (["cat", "--unknown"], ["--unknown"], ["cat"]),
        (["cat", "--limit"], ["--limit"], ["cat"]),
        (["-h"], ["-h"], []),
    ],
)
def test_options_are_told_from_words_that_start_with_a_dash(
    words: list[str], options: list[str], query: list[str]
) -> None:
    assert split_options(words, OPTIONS)[:2] == (options, query)


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (["sunset over water"], "sunset over water"),
        (["sunset", "over", "water"], "sunset over water"),
        (["on:2019 beach"], "on:2019 beach"),
        (["beach", "camera:Canon EOS 80D"], 'beach camera:"Canon EOS 80D"'),
        (["beach", "-in:My Photos|~/x|~/a b"], 'beach -in:"My Photos"|~/x|"~/a b"'),
        (["beach", "red car"], 'beach "red car"'),
        (["beach", "-red car"], 'beach -"red car"'),
        (["beach", "red car^0.5"], 'beach "red car"^0.5'),
        (["beach", 'say "cheese" now'], 'beach say "cheese" now'),
        (["beach", "red car on:2019"], "beach red car on:2019"),
        (["on:2019 type:png", "cat"], "on:2019 type:png cat"),
        (["beach", "back\\slash here"], 'beach "back\\\\slash here"'),
        (["beach", "", "cat"], "beach cat"),
    ],
)
def test_words_with_spaces_get_back_the_quotes_that_the_shell_took(
    words: list[str], query: str
) -> None:
    assert query_of(words) == query


@given(st.text('abc "\\^:', min_size=1, max_size=20))
def test_a_phrase_of_several_words_comes_through_whole(text: str) -> None:
    phrase = f"a {text} b"
    if '"' in phrase or any(":" in word[1:] for word in phrase.split()):
        return  # a query of its own
    assert parse(query_of(["x^1", phrase]), KEYS)[1] == TextPart(phrase, 1.0, True)


@given(st.text("abc \\^é", max_size=20))
def test_a_value_of_several_words_comes_through_whole(text: str) -> None:
    value = f"a {text} b"
    assert parse(query_of(["x", f"camera:{value}"]), KEYS)[1] == FilterPart("camera", (value,))


@pytest.mark.parametrize(
    ("text", "sign", "part"),
    [
        ("dog:0.5", 1, TextPart("dog", 0.5, True)),
        ("people", -1, TextPart("people", -1.0, True)),
        ("16:9 crop", -1, TextPart("16:9 crop", -1.0, True)),
        ("dog:-2", 1, TextPart("dog", -2.0, True)),
        (":", 1, TextPart(":", 1.0, True)),
        ("y:nan", -1, TextPart("y:nan", -1.0, True)),
        ('a "b" \\', 1, TextPart('a "b" \\', 1.0, True)),
    ],
)
def test_plus_and_minus_are_phrases_with_a_weight(text: str, sign: int, part: TextPart) -> None:
    assert parse(weighted_phrase(text, sign), KEYS) == (part,)


@pytest.mark.parametrize("word", ["stauts", "serach", "serch", "eror", "erorrs", "opne", "oopen"])
def test_a_slip_is_known(word: str) -> None:
    assert is_slip(word, (*COMMANDS, "error"))


@pytest.mark.parametrize(
    "word", ["snow", "king", "statue", "cat", "sunset", "pin", "oven", "shop", "search", "a", "姫"]
)
def test_what_may_be_a_word_is_none(word: str) -> None:
    assert not is_slip(word, COMMANDS)
