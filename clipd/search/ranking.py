"""A page of photos in order: by how well they match, or by what the catalog knows of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids
from clipd.search.paging import PageEnd, page_word, read_page_word
from clipd.search.query import Query
from clipd.search.query_vectors import Vector
from clipd.store.conditions import Whereabouts
from clipd.store.index import VectorIndex
from clipd.store.selection import Order, PhotoSelection

_MOST_SORTED = 10_000  # best matches that are put in another order
_AHEAD = 32  # candidates more than a page holds, since some may be left out
_GROWTH = 4

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranked:
    """A photo in its place."""

    photo: int
    key: float | str  # what it is ordered by
    raw: float | None = None  # its cosine; None where nothing was looked for
    stands_for: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """Photos in order, and the word that asks for those that follow; "" where none does."""

    rows: tuple[Ranked, ...]
    following: str = ""


# Drops what is no hit of the best candidates, best first, and says whether that may be all.
Sieve = Callable[[Ids, Scores], tuple[Ids, Scores]]


class Ranking:
    """Puts photos in order. Any thread."""

    def __init__(self, index: VectorIndex, selection: PhotoSelection) -> None:
        self._index = index
        self._selection = selection

    def matched(
        self, query: Query, vector: Vector, within: Ids | None, limit: int, sieve: Sieve
    ) -> Page:
        """Return a page of the photos nearest to a vector, in the order that the query wants.

        Args:
            within: photos that are looked at, by id; None: all.
            sieve: which of the candidates are hits.
        """
        if query.sort not in (None, "score"):
            ids, scores = sieve(*self._index.search(vector, _MOST_SORTED, within))
            return self._reordered(query, ids, scores, limit)
        before = read_page_word(query.after) if query.after else None
        shown = before.shown if before else 0
        most = len(self._index) if within is None else len(within)
        wanted = shown + limit + _AHEAD
        while True:
            found, cosines = self._index.search(vector, wanted, within)
            rows = _behind(before, *sieve(found, cosines))
            if len(rows) > limit or wanted >= most:
                return _page(rows, limit, shown)
            wanted *= _GROWTH

    def listed(
        self, query: Query, whereabouts: Whereabouts, limit: int, photos: Ids | None
    ) -> Page:
        """Return a page of the photos that meet the conditions of a query without words.

        Args:
            photos: those that meet them, where that is known.
        """
        if query.sort == "random":
            ids = self._selection.ids(query.conditions, whereabouts) if photos is None else photos
            return _shuffled(query, ids, None, limit)
        order = _order_of(query)
        before = read_page_word(query.after) if query.after else None
        end = None if before is None else (before.key, before.photo)
        rows = self._selection.ordered(query.conditions, whereabouts, order, limit + 1, end)
        shown = before.shown if before else 0
        return _page([Ranked(photo, key) for key, photo in rows], limit, shown)

    def _reordered(self, query: Query, ids: Ids, scores: Scores, limit: int) -> Page:
        raw = dict(zip(ids.tolist(), scores.tolist(), strict=True))
        if query.sort == "random":
            return _shuffled(query, ids, raw, limit)
        before = read_page_word(query.after) if query.after else None
        end = None if before is None else (before.key, before.photo)
        rows = self._selection.ordered(
            (), Whereabouts(), _order_of(query), limit + 1, end, among=ids.tolist()
        )
        shown = before.shown if before else 0
        return _page([Ranked(photo, key, raw[photo]) for key, photo in rows], limit, shown)


def _order_of(query: Query) -> Order:
    # Without words there is no score to sort by: the newest first.
    orders: dict[str | None, Order] = {"-date": "-date", "name": "name", "size": "size"}
    return orders.get(query.sort, "date")


def _behind(before: PageEnd | None, ids: Ids, scores: Scores) -> list[Ranked]:
    rows = [
        Ranked(photo, score, score)
        for photo, score in zip(ids.tolist(), scores.tolist(), strict=True)
    ]
    if before is None:
        return rows
    end = (-float(before.key), before.photo)
    return [row for row in rows if (-float(row.key), row.photo) > end]


def _page(rows: Sequence[Ranked], limit: int, shown: int, seed: int = 0) -> Page:
    page = tuple(rows[:limit])
    if len(rows) <= limit:
        return Page(page)
    last = page[-1]
    return Page(page, page_word(PageEnd(last.key, last.photo, shown + limit, seed)))


def _shuffled(query: Query, ids: Ids, raw: dict[int, float] | None, limit: int) -> Page:
    """Order by a hash of the photo and a seed, which the pages that follow bring along."""
    before = read_page_word(query.after) if query.after else None
    seed = before.seed if before else random.SystemRandom().getrandbits(48)
    rows = sorted((_hashed(photo, seed), photo) for photo in ids.tolist())
    if before is not None:
        rows = [row for row in rows if row > (str(before.key), before.photo)]
    shown = before.shown if before else 0
    found = [Ranked(photo, key, None if raw is None else raw[photo]) for key, photo in rows]
    return _page(found, limit, shown, seed)


def _hashed(photo: int, seed: int) -> str:
    return hashlib.blake2b(b"%d %d" % (seed, photo), digest_size=8).hexdigest()
