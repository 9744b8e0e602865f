"""Of several photos of one moment, or of one look, the best stands for all. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np

from clipd.photo import Vectors
from clipd.store.selection import BurstTraits

Likeness: TypeAlias = Literal["burst", "look"]

BURST_COSINE = 0.95
LOOK_COSINE = 0.97
_BURST_SECONDS = 10.0
_NUMBERED = re.compile(rb"(.*?)(\d{1,18})(\D*)", re.DOTALL)
_MOST_LEADERS = 2000  # that a photo is compared with: the last ones


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
    least = BURST_COSINE if likeness == "burst" else LOOK_COSINE
    groups: list[list[int]] = []  # positions in `photos`; the first of each leads
    leaders: list[int] = []
    for position, photo in enumerate(photos):
        recent = leaders[-_MOST_LEADERS:]
        first = len(leaders) - len(recent)
        near = np.flatnonzero(rows[recent] @ rows[position] >= least) if recent else ()
        for number in near:
            group = groups[first + int(number)]
            members = [traits[photos[each]] for each in group]
            if likeness == "look" or _is_of_moment(traits[photo], members):
                group.append(position)
                break
        else:
            leaders.append(position)
            groups.append([position])
    found = [tuple(photos[each] for each in group) for group in groups]
    return [Group(members, best_of(members, traits)) for members in found]


def best_of(photos: Sequence[int], traits: Mapping[int, BurstTraits]) -> int:
    """Return the sharpest, then the largest; the first of equals."""
    return max(photos, key=lambda photo: (traits[photo].sharpness or 0.0, traits[photo].pixels))


def _is_of_moment(one: BurstTraits, members: Sequence[BurstTraits]) -> bool:
    return any(are_close(one, other) or are_consecutive(one, other) for other in members)


def are_close(one: BurstTraits, other: BurstTraits) -> bool:
    """Whether two photos were taken at most ten seconds apart."""
    if not one.taken or not other.taken:
        return False
    try:
        apart = datetime.fromisoformat(one.taken) - datetime.fromisoformat(other.taken)
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


def name_key(one: BurstTraits) -> tuple[bytes, bytes, bytes, int]:
    """Return what puts photos of consecutive names side by side."""
    start, number, end = _last_number(one.name) or (one.name, b"0", b"")
    return one.folder, start, end, int(number)


def _last_number(name: bytes) -> tuple[bytes, bytes, bytes] | None:
    match = _NUMBERED.fullmatch(name)
    return None if match is None else (match[1], match[2], match[3])
