"""The known word that somebody meant who wrote another: for "did you mean ...?"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LIKENESS = 0.6  # difflib's own default: one letter lost, doubled or swapped is found


def nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Return the known words that are most like a word, the likest first; none when none is.

    Upper and lower case count as the same: a name that is right but for its case is the likest.
    """
    by_lower = {each.lower(): each for each in known}
    return [by_lower[each] for each in get_close_matches(word.lower(), by_lower, most, _LIKENESS)]
