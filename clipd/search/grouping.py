"""Of several photos of one moment, or of one look, the best stands for all. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from clipd.photo import Vectors
from clipd.store.selection import BurstTraits

Likeness: TypeAlias = Literal["burst", "look"]

BURST_COSINE = 0.95
LOOK_COSINE = 0.97
_BURST_SECONDS = 10.0
_NUMBERED = re.compile(rb"(.*?)(\d{1,18})(\D*)", re.DOTALL)
_MOST_COMPARED = 2000  # groups that a photo is compared with for `look`: the last ones
# Groups of one second, or name, that a photo is compared with: the last ones. Thousands of photos
# may have one time, such as that of their folder's day.
_MOST_AT_ONCE = 64
K = TypeVar("K")
_NameKey: TypeAlias = tuple[bytes, bytes, bytes, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Photos that belong together, in the order in which they came.

    Attributes:
        best: the one that stands for all: the sharpest, then the largest.
    """

    photos: tuple[int, ...]
    best: int


def grouped(
    likeness: Likeness, photos: Sequence[int], traits: Mapping[int, BurstTraits], rows: Vectors
) -> list[Group]:
    """Put photos into groups, each at the place of its first photo.

    Args:
        photos: the better first.
        traits: of these photos.
        rows: their vectors, in the same order; zeros where there is none.
    """
    groups = _bursts(photos, traits, rows) if likeness == "burst" else _looks(rows)
    found = [tuple(photos[each] for each in group) for group in groups]
    return [Group(members, best_of(members, traits)) for members in found]


def _looks(rows: Vectors) -> list[list[int]]:
    """Return groups of positions; a photo joins the first whose first photo looks the same."""
    groups: list[list[int]] = []
    for position in range(len(rows)):
        near = range(max(0, len(groups) - _MOST_COMPARED), len(groups))
        _join(groups, near, position, rows, LOOK_COSINE)
    return groups


def _bursts(
    photos: Sequence[int], traits: Mapping[int, BurstTraits], rows: Vectors
) -> list[list[int]]:
    """Return groups of positions; a photo joins the first of its moment whose first it is like.

    One that closes the gap between two groups joins these, too: photos come in any order.
    """
    groups: list[list[int]] = []
    moments = _Moments()
    for position, photo in enumerate(photos):
        one = traits[photo]
        near = moments.near(one)
        number = _join(groups, near, position, rows, BURST_COSINE)
        moments.add(one, number)
        leader = groups[number][0]
        for other in near:
            if other > number and rows[groups[other][0]] @ rows[leader] >= BURST_COSINE:
                groups[number] = sorted(groups[number] + groups[other])
                groups[other] = []
                moments.move(other, number)
    return [group for group in groups if group]


def _join(
    groups: list[list[int]], near: Sequence[int], position: int, rows: Vectors, least: float
) -> int:
    """Put a photo into the first group whose first photo it is like, else into one of its own."""
    if near:
        leaders = [groups[number][0] for number in near]
        alike = np.flatnonzero(rows[leaders] @ rows[position] >= least)
        if len(alike):
            number = near[int(alike[0])]
            groups[number].append(position)
            return number
    groups.append([position])
    return len(groups) - 1


class _Moments:
    """Which groups have a photo that was taken, or is named, next to a photo."""

    def __init__(self) -> None:
        self._by_time: dict[int, dict[str, deque[int]]] = {}  # span -> time -> groups
        self._by_name: dict[_NameKey, deque[int]] = {}
        self._moved: dict[int, int] = {}

    def add(self, one: BurstTraits, group: int) -> None:
        """Note that a photo belongs to a group."""
        if (span := _span_of(one)) is not None:
            _note(self._by_time.setdefault(span, {}), one.taken, group)
        if _last_number(one.name) is not None:
            _note(self._by_name, name_key(one), group)

    def move(self, group: int, into: int) -> None:
        """Note that the photos of a group now belong to another."""
        self._moved[group] = into

    def near(self, one: BurstTraits) -> list[int]:
        """Return the groups of its moment, the first made first."""
        found: set[int] = set()
        if (span := _span_of(one)) is not None:
            for each in (span - 1, span, span + 1):
                for taken, groups in self._by_time.get(each, {}).items():
                    if _is_within_seconds(one.taken, taken):
                        found.update(groups)
        if _last_number(one.name) is not None:
            folder, start, end, number = name_key(one)
            for each in (number - 1, number + 1):
                found.update(self._by_name.get((folder, start, end, each), ()))
        return sorted({self._now(group) for group in found})

    def _now(self, group: int) -> int:
        while group in self._moved:
            group = self._moved[group]
        return group


def _note(groups: dict[K, deque[int]], key: K, group: int) -> None:
    noted = groups.setdefault(key, deque(maxlen=_MOST_AT_ONCE))
    if not noted or noted[-1] != group:
        noted.append(group)


def _span_of(one: BurstTraits) -> int | None:
    """Return the span of ten seconds in which a photo was taken; None where that is not known."""
    try:
        taken = datetime.fromisoformat(one.taken)
    except ValueError:
        return None
    in_zone = taken if taken.tzinfo else taken.replace(tzinfo=UTC)
    return int(in_zone.timestamp() // _BURST_SECONDS)


def best_of(photos: Sequence[int], traits: Mapping[int, BurstTraits]) -> int:
    """Return the sharpest, then the largest; the first of equals."""
    return max(photos, key=lambda photo: (traits[photo].sharpness or 0.0, traits[photo].pixels))


def are_close(one: BurstTraits, other: BurstTraits) -> bool:
    """Whether two photos were taken at most ten seconds apart."""
    return _is_within_seconds(one.taken, other.taken)


def _is_within_seconds(one: str, other: str) -> bool:
    if not one or not other:
        return False
    try:
        apart = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return False
    return abs(apart.total_seconds()) <= _BURST_SECONDS


def are_consecutive(one: BurstTraits, other: BurstTraits) -> bool:
    """Whether two names differ in their last number only, and in that by one."""
    if one.folder != other.folder:
        return False
    here, there = _last_number(one.name), _last_number(other.name)
    if here is None or there is None or here[0] != there[0] or here[2] != there[2]:
        return False
    return abs(int(here[1]) - int(there[1])) == 1


def name_key(one: BurstTraits) -> _NameKey:
    """Return what puts photos of consecutive names side by side."""
    start, number, end = _last_number(one.name) or (one.name, b"0", b"")
    return one.folder, start, end, int(number)


def _last_number(name: bytes) -> tuple[bytes, bytes, bytes] | None:
    match = _NUMBERED.fullmatch(name)
    return None if match is None else (match[1], match[2], match[3])
