"""Photos of a whole library that are copies, of one burst, or look the same: in groups.

Works in slices of a few hundredths of a second, without holding what answers wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from clipd.errors import RequestError
from clipd.photo import Ids, Vectors
from clipd.search.grouping import (
    BURST_COSINE,
    LOOK_COSINE,
    are_close,
    are_consecutive,
    best_of,
    name_key,
)
from clipd.search.query import Sameness
from clipd.store.index_protocol import PhotoIndex
from clipd.store.selection import BurstTraits, PhotoSelection

MOST_COMPARED = 300_000  # photos for `look`, whose work grows with the square: 9 times that of 100k
_SLICE = 256  # photos that are compared with all others at once
_SKETCH = 64  # numbers of a photo that are compared first
_SAMPLE = 5000  # photos that say which numbers tell photos apart best
_PAGE = 5000
_FOLLOWERS = 50  # photos taken next, that one is compared with


@dataclass(frozen=True, slots=True)
class SameGroup:
    """Photos that are the same in a way; a copy is one photo that lies at several paths.

    Attributes:
        best: the one that stands for all.
    """

    photos: tuple[int, ...]
    best: int


class Duplicates:
    """Finds groups in the whole library. Any thread, for as long as it takes."""

    def __init__(self, index: PhotoIndex, selection: PhotoSelection) -> None:
        self._index = index
        self._selection = selection

    def find(self, sameness: Sameness) -> list[SameGroup]:
        """Return all groups, the largest first.

        Raises:
            RequestError: there are too many photos to compare each with each.
        """
        if sameness == "copy":
            return [SameGroup((photo,), photo) for photo in self._selection.copied()]
        photos = self._selection.all_traits()
        found = self._bursts(photos) if sameness == "burst" else self._looks(photos)
        return sorted(found, key=lambda group: (-len(group.photos), group.best))

    def _bursts(self, photos: Sequence[BurstTraits]) -> list[SameGroup]:
        by_id = {each.photo: each for each in photos}
        chains = _Chains()
        for pairs in _batched(_moments(photos)):
            ones, others = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
            for one, other in self._alike(ones, others, BURST_COSINE):
                chains.join(one, other)
        groups = chains.groups()
        return [SameGroup(tuple(group), best_of(group, by_id)) for group in groups]

    def _alike(self, ones: Ids, others: Ids, least: float) -> list[tuple[int, int]]:
        """Return the pairs whose pictures are alike."""
        needed = np.unique(np.concatenate([ones, others]))
        ids, rows = self._index.vectors(needed)
        here = np.isin(ones, ids) & np.isin(others, ids)
        ones, others = ones[here], others[here]
        first, second = rows[np.searchsorted(ids, ones)], rows[np.searchsorted(ids, others)]
        kept = np.einsum("ij,ij->i", first, second) >= least
        return list(zip(ones[kept].tolist(), others[kept].tolist(), strict=True))

    def _looks(self, photos: Sequence[BurstTraits]) -> list[SameGroup]:
        """Let the best photos first take those that look like them."""
        if len(photos) > MOST_COMPARED:
            raise RequestError(
                "too_many_photos",
                f"{len(photos):,} photos are too many to compare each with each (the most is "
                f"{MOST_COMPARED:,}); ask for bursts",
            )
        ordered = sorted(photos, key=lambda each: (-(each.sharpness or 0.0), -each.pixels))
        ids = np.array([each.photo for each in ordered], np.int64)
        ids = ids[np.isin(ids, self._index.ids())]
        left, right = self._sketches(ids)
        is_taken = np.zeros(len(ids), np.bool_)
        groups = []
        for start in range(0, len(ids), _SLICE):
            free = start + np.flatnonzero(~is_taken[start : start + _SLICE])
            if not len(free):
                continue
            near = left[free] @ right[start:].T >= 0
            for row, leader in enumerate(free.tolist()):
                if is_taken[leader]:
                    continue
                near[row] &= ~is_taken[start:]
                candidates = start + np.flatnonzero(near[row])
                candidates = candidates[candidates > leader]
                members = self._members(ids, leader, candidates) if len(candidates) else candidates
                if len(members):
                    is_taken[members] = True
                    best = int(ids[leader])
                    groups.append(SameGroup((best, *ids[members].tolist()), best))
        return groups

    def _members(self, ids: Ids, leader: int, candidates: Ids) -> Ids:
        found, rows = self._index.vectors(ids[np.append(leader, candidates)])
        if not len(found) or found[0] != ids[leader]:
            return candidates[:0]  # it has just gone
        alike = found[1:][rows[1:] @ rows[0] >= LOOK_COSINE]
        return candidates[np.isin(ids[candidates], alike)]

    def _sketches(self, ids: Ids) -> tuple[Vectors, Vectors]:
        """Return short forms of the vectors, whose products are not negative where photos may
        look alike.

        In the directions that tell the library's photos apart best, photos are no further apart
        than they are: no pair is lost, and few are left for the whole comparison.
        """
        sample = np.random.default_rng(0).permutation(ids)[:_SAMPLE]
        _, rows = self._index.vectors(sample)
        centre = rows.sum(axis=0) / max(len(rows), 1)
        _, directions = np.linalg.eigh((rows - centre).T @ (rows - centre))
        directions = directions[:, -_SKETCH:].astype(np.float32)
        # Of unit vectors the squared distance is 2 - 2 cosine; half precision moves it a little.
        farthest = 2 - 2 * LOOK_COSINE + 0.01
        sketch = np.full((len(ids), directions.shape[1]), 9, np.float32)
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            here, vectors = self._index.vectors(page)
            sketch[start : start + _PAGE][np.isin(page, here)] = (vectors - centre) @ directions
        half = ((sketch**2).sum(axis=1) / 2 - farthest / 4).astype(np.float32)[:, None]
        ones = np.ones_like(half)
        return np.hstack([sketch, -half, ones]), np.hstack([sketch, ones, -half])


class _Chains:
    """Photos that hang together by pairs."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def join(self, one: int, other: int) -> None:
        top, below = sorted((self._top(one), self._top(other)))
        self._above[top], self._above[below] = top, top

    def groups(self) -> list[list[int]]:
        found: dict[int, list[int]] = {}
        for photo in sorted(self._above):
            found.setdefault(self._top(photo), []).append(photo)
        return list(found.values())

    def _top(self, photo: int) -> int:
        while (above := self._above.get(photo, photo)) != photo:
            self._above[photo] = self._above.get(above, above)
            photo = above
        return photo


def _moments(photos: Sequence[BurstTraits]) -> Iterator[tuple[int, int]]:
    """Yield pairs that were taken close to each other, or have consecutive names."""
    timed = sorted((each for each in photos if each.taken), key=lambda each: each.taken)
    for position, one in enumerate(timed):
        for other in timed[position + 1 : position + 1 + _FOLLOWERS]:
            if not are_close(one, other):
                break
            yield one.photo, other.photo
    for one, other in pairwise(sorted(photos, key=name_key)):
        if are_consecutive(one, other):
            yield one.photo, other.photo


def _batched(pairs: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    batch: list[tuple[int, int]] = []
    for pair in pairs:
        batch.append(pair)
        if len(batch) == _PAGE:
            yield batch
            batch = []
    if batch:
        yield batch
