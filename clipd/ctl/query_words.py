"""A query out of the words of a command line: with the quotes that the shell took, and minuses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from math import isfinite

_FILTER = re.compile(r"(-?[A-Za-z]+:)(?!//)(.+)", re.DOTALL)
_FILTER_WITHIN = re.compile(r"\s-?[A-Za-z]+:(?!//)\S")
_PHRASE = re.compile(r"(-?)(.*?)(\^[\d.]+)?", re.DOTALL)
# -n 5, -n5, -0, -0n5, -h: all else that starts with one dash is a word to push away.
_SHORT_OPTION = re.compile(r"-0?n\d*|-0|-h")


def split_options(
    words: Sequence[str], options: Mapping[str, bool]
) -> tuple[list[str], list[str], bool]:
    """Tell the options of a search from the words of its query.

    Args:
        options: the long options and the short ones, and whether each takes a value.

    Returns:
        the options with their values, the words, and whether ``--`` stood between them.
    """
    chosen: list[str] = []
    query: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            return chosen, query + left, True
        if not (word.startswith("--") or _SHORT_OPTION.fullmatch(word)):
            query.append(word)
            continue
        chosen.append(word)
        takes_value = options.get(word, False) or word == "-0n"
        if takes_value and left:
            chosen.append(left.pop(0))
    return chosen, query, False


def query_of(words: Sequence[str]) -> str:
    """Join words to a query.

    One word is a query as it stands. Of several, those with spaces stood in quotes, which the
    shell took away: ``camera:"Canon EOS"`` and ``"red car"`` get them back.
    """
    if len(words) == 1:
        return words[0]
    return " ".join(_with_quotes(word) for word in words if word.strip())


def weighted_phrase(text: str, sign: int) -> str:
    """Write ``TEXT[:W]`` as a phrase; a colon that no number follows belongs to the text."""
    start, colon, end = text.rpartition(":")
    weight = 1.0
    if colon and start:
        try:
            weight = float(end)
        except ValueError:
            start = text
        else:
            start = start if isfinite(weight) else text
            weight = weight if isfinite(weight) else 1.0
    else:
        start = text
    weight *= sign
    return f"{'-' if weight < 0 else ''}{_in_quotes(start)}^{abs(weight):.6f}"


def is_slip(word: str, commands: Collection[str]) -> bool:
    """Whether a word is a command with a slip that hardly makes another word.

    Letters in another order, one too many or one too few: ``stauts``, ``serach``, ``eror``. One
    letter for another makes words (``snow`` for ``show``), so that is not counted.
    """
    return any(_is_slip_of(word.lower(), command) for command in commands)


def _is_slip_of(word: str, command: str) -> bool:
    if len(word) < 4 or word == command:
        return False
    if len(word) == len(command):
        return sorted(word) == sorted(command)
    shorter, longer = sorted((word, command), key=len)
    return len(longer) == len(shorter) + 1 and any(
        longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer))
    )


def _with_quotes(word: str) -> str:
    if not re.search(r"\s", word) or '"' in word or _FILTER_WITHIN.search(word):
        return word
    found = _FILTER.fullmatch(word)
    if found is not None:
        values = [_in_quotes(value) if " " in value else value for value in found[2].split("|")]
        return found[1] + "|".join(values)
    phrase = _PHRASE.fullmatch(word)
    assert phrase is not None  # it matches everything
    return f"{phrase[1]}{_in_quotes(phrase[2])}{phrase[3] or ''}"


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
