"""The hits of several libraries as one list, in the order of a single library of all photos. Pure.

By what each library has ordered its own hits by, which the daemons tell: a date, a name, or the
cosine of the query and the photo. Cosines of different models cannot be compared, nor can what a
daemon of another version does not tell: such hits take turns, by their rank.

The score that a person sees stays that of the hit's own library: it says how sure clipd is that
this is what was asked for, judged by what photos of *that* library come to with texts that none
of them shows. A hit may therefore follow one with a lower score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple, TypeAlias

from clipd.ctl.output import objects
from clipd.json_types import JsonObject, JsonValue

RANK = "rank"  # how hits are merged that cannot be compared
_SCORE = "score"
_FALLING = (_SCORE, "date", "size")  # from the largest key to the smallest
_RISING = ("-date", "name", "random")
_IN_BRIEF = ("library", "socket", "photo", "path", "path_b64", "score", "raw", "offline")

_Key: TypeAlias = float | str


class LibraryHits(NamedTuple):
    """The hits of one library in their order, and what may be compared with those of another."""

    hits: Sequence[JsonObject]
    order: str  # as `sort:` has it; "": not told
    fingerprint: str  # of the model; "": not told


class Merged(NamedTuple):
    """All hits in one order, and what that is: as ``sort:`` has it, or by rank."""

    hits: list[JsonObject]
    order: str


def merge(libraries: Sequence[LibraryHits]) -> Merged:
    """Put the hits of several libraries into one order; equal ones in that of the libraries."""
    libraries = [each for each in libraries if each.hits]
    orders = {each.order if _keys(each) else "" for each in libraries}
    order = orders.pop() if len(orders) == 1 else ""
    if not libraries:
        return Merged([], _SCORE)
    if not order or len({type(key) for each in libraries for key in _keys(each)}) > 1:
        groups = [[each] for each in libraries]
    elif order == _SCORE:
        groups = _by_model(libraries)
    else:
        groups = [libraries]
    hits = _in_turns([(_in_order(group, order), len(group)) for group in groups])
    return Merged(hits, order if len(groups) == 1 and order else RANK)


def folded(hits: Iterable[JsonObject], own: str) -> list[JsonObject]:
    """Show a photo that lies in several libraries once, in the first of its places.

    Args:
        own: the socket of the user's own daemon, whose hit is shown, since its file is here.

    Returns:
        Hits; those that stand for others name them in ``also_in``.
    """
    shown: list[JsonObject] = []
    places: dict[str, int] = {}
    for hit in hits:
        content = str(hit.get("content_hash") or f"unknown {len(shown)}")
        if content not in places:
            places[content] = len(shown)
            shown.append(hit)
            continue
        first = shown[places[content]]
        if hit.get("socket") == own:
            first, hit = hit, first
        others = [*objects(first.get("also_in")), *objects(hit.get("also_in")), _in_brief(hit)]
        shown[places[content]] = first | {"also_in": [*others]}
    return shown


def _by_model(libraries: Sequence[LibraryHits]) -> list[list[LibraryHits]]:
    groups: dict[str, list[LibraryHits]] = {}
    for number, each in enumerate(libraries):
        groups.setdefault(each.fingerprint or f"unknown {number}", []).append(each)
    return [*groups.values()]


def _in_order(libraries: Sequence[LibraryHits], order: str) -> list[JsonObject]:
    if len(libraries) == 1:
        return [*libraries[0].hits]
    is_falling = order in _FALLING
    rows = [row for each in libraries for row in _with_keys(each, is_falling)]
    rows.sort(key=lambda row: row[0], reverse=is_falling)  # equal keys stay as they are
    return [hit for _, hit in rows]


def _with_keys(library: LibraryHits, is_falling: bool) -> Iterable[tuple[_Key, JsonObject]]:
    return zip(_steady(_keys(library), is_falling), library.hits, strict=True)


def _keys(library: LibraryHits) -> list[_Key]:
    """Return the keys of all hits; none where one has no key, or the order is not known."""
    keys: list[_Key] = []
    for hit in library.hits:
        key = hit.get("key")
        if isinstance(key, bool) or not isinstance(key, int | float | str):
            return []
        keys.append(key if isinstance(key, str) else float(key))
    is_known = library.order in (*_FALLING, *_RISING)
    return keys if is_known and all(isinstance(key, str) or isfinite(key) for key in keys) else []


def _steady(keys: Sequence[_Key], is_falling: bool) -> list[_Key]:
    """Return keys that never step back, so that no library's own order is changed."""
    steady: list[_Key] = []
    for key in keys:
        before = steady[-1] if steady else key
        is_back = key > before if is_falling else key < before  # type: ignore[operator]
        steady.append(before if is_back else key)
    return steady


def _in_turns(groups: Sequence[tuple[Sequence[JsonObject], int]]) -> list[JsonObject]:
    """Take hits from each group in turn, each time as many as it has libraries."""
    rows = [
        (place // size, number, place, hit)
        for number, (hits, size) in enumerate(groups)
        for place, hit in enumerate(hits)
    ]
    rows.sort(key=lambda row: row[:3])
    return [hit for *_, hit in rows]


def _in_brief(hit: JsonObject) -> JsonValue:
    return {key: hit[key] for key in _IN_BRIEF if key in hit}
