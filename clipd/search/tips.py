"""How a query could say better what it may mean. Never applied by itself: "Spain" may be a look."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from clipd.search.date_ranges import month_number
from clipd.search.grammar import value_text
from clipd.search.query import Query
from clipd.store.conditions import InPlace, TakenBetween, TakenEveryYear
from clipd.store.folding import folded

_YEAR = re.compile(r"\b(?:19|20)\d\d\b", re.ASCII)
_PICTURE_PATH = re.compile(
    r"(?:/|~/|\./|\.\./).*\.(?:jpe?g|png|heic|heif|webp|gif|tiff?|avif|bmp)", re.IGNORECASE
)
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LONGEST = 3  # words of a place's name


def tips_for(query: Query, places: Collection[str]) -> tuple[str, ...]:
    """Return sentences on a query; none where it is fine as it is.

    Args:
        places: names of countries, regions and cities, folded.
    """
    texts = [term.text for term in query.terms if term.text is not None and term.weight > 0]
    if query.text and _PICTURE_PATH.fullmatch(query.text):
        return (f"that is a file: like:{value_text(query.text)}",)
    known = {type(each) for condition in query.conditions for each in condition.criteria}
    filters = []
    if not known & {TakenBetween, TakenEveryYear}:
        filters += [tip for text in texts if (tip := _date_in(text))][:1]
    if InPlace not in known:
        found = dict.fromkeys(name for text in texts for name in _places_in(text, places))
        filters += [f"place:{value_text(name)}" for name in found]
    return (f"{' '.join(filters)} would narrow it",) if filters else ()


def _date_in(text: str) -> str | None:
    year = _YEAR.search(text)
    if year is None:
        return None
    months = [number for word in _WORD.findall(text) if (number := month_number(word))]
    return f"on:{year[0]}-{months[0]:02}" if months else f"on:{year[0]}"


def _places_in(text: str, places: Collection[str]) -> Iterator[str]:
    """Yield the names of places in a text, the longest at each word."""
    words = _WORD.findall(text)
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            name = " ".join(words[at : at + length])
            if len(name) > 2 and folded(name) in places:
                yield name
                break
        at += length
