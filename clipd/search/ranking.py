"""A page of photos in order: by how well they match, or by what the catalog knows of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from clipd.photo import Ids
from clipd.search.grouping import Group, grouped
from clipd.search.judge import Judge, Verdicts
from clipd.search.paging import PageEnd, page_word, read_page_word
from clipd.search.query import Query
from clipd.search.query_vectors import Vector
from clipd.store.conditions import Condition, Whereabouts
from clipd.store.index_protocol import PhotoIndex
from clipd.store.selection import Order, PhotoSelection

_MOST_SORTED = 10_000  # best matches that are put in another order, or looked through
_AHEAD = 32  # candidates more than a page holds, since some may be left out
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Ranked:
    """A photo in its place.

    Attributes:
        key: what it is ordered by.
        score: confidence; None where nothing was looked for, as is `raw`, the cosine.
        others: photos that it stands for, in their order.
        first: the photo in whose place it stands; 0: it stands in its own.
    """

    photo: int
    key: float | str
    score: float | None = None
    raw: float | None = None
    others: tuple[Ranked, ...] = ()
    first: int = 0

    @property
    def stands_for(self) -> int:
        """How many photos it was chosen from."""
        return 1 + len(self.others)

    @property
    def place(self) -> int:
        """The photo that decides between equal keys. The best of a group may change from page to
        page, as more of it is found; its first photo does not.
        """
        return self.first or self.photo


@dataclass(frozen=True, slots=True)
class Page:
    """Photos in order, and the word that asks for those that follow; "" where none does."""

    rows: tuple[Ranked, ...]
    following: str = ""


# Returns the first rows, from so many candidates, and whether there are no more candidates.
Fetch: TypeAlias = Callable[[int], tuple[list[Ranked], bool]]


class Ranking:
    """Puts photos in order. Any thread."""

    def __init__(self, index: PhotoIndex, selection: PhotoSelection) -> None:
        self._index = index
        self._selection = selection

    def matched(
        self, judge: Judge, vector: Vector, within: Ids | None, limit: int, asked: int | None
    ) -> Page:
        """Return a page of the photos nearest to a vector, in the order that the query wants.

        Args:
            judge: which of the candidates are hits.
            within: photos that are looked at, by id; None: all.
            asked: the photo that the query is; it is the first, for certain.
        """
        most = len(self._index) if within is None else len(within)
        query = judge.query
        if query.sort not in (None, "score"):
            found = judge.judge(*self._index.search(vector, _MOST_SORTED, within))
            known = {row.photo: row for row in _rows(found)}
            if query.sort == "random":
                return self._shuffled(query, limit, found.ids, known)
            return self._page(query, limit, self._reordered(query, known))
        if asked is not None and (asked not in self._index or not _holds(within, asked)):
            asked = None

        def fetch(wanted: int) -> tuple[list[Ranked], bool]:
            found, cosines = self._index.search(vector, wanted, within)
            rows = _rows(judge.judge(found, cosines))
            is_all = wanted >= min(most, _MOST_SORTED + limit)
            is_all |= len(cosines) > 0 and float(cosines[-1]) < judge.floor
            return _with_first(rows, asked), is_all

        return self._page(query, limit, fetch)

    def listed(self, judge: Judge | None, query: Query, there: Whereabouts, limit: int) -> Page:
        """Return a page of the photos that meet the conditions of a query without words.

        Args:
            judge: which of them are no hits; None: all are.
        """
        if query.sort == "random":
            ids = self._selection.ids(query.conditions, there)
            return self._shuffled(query, limit, _kept(judge, ids), {})
        order = _order_of(query)
        end = _end(query)
        if judge is None and query.unique not in ("burst", "look"):
            behind = (end.key, end.photo) if query.after else None
            rows = self._selection.ordered(query.conditions, there, order, limit + 1, behind)
            return _cut([Ranked(photo, key) for key, photo in rows], limit, end)
        return self._page(query, limit, self._list(judge, query.conditions, there, order))

    def _list(
        self,
        judge: Judge | None,
        conditions: Sequence[Condition],
        there: Whereabouts,
        order: Order,
    ) -> Fetch:
        def fetch(wanted: int) -> tuple[list[Ranked], bool]:
            rows = self._selection.ordered(conditions, there, order, wanted)
            kept = set(_kept(judge, np.array([photo for _, photo in rows], np.int64)).tolist())
            found = [Ranked(photo, key) for key, photo in rows if photo in kept]
            return found, len(rows) < wanted

        return fetch

    def _reordered(self, query: Query, known: dict[int, Ranked]) -> Fetch:
        order = _order_of(query)

        def fetch(wanted: int) -> tuple[list[Ranked], bool]:
            rows = self._selection.ordered((), Whereabouts(), order, wanted, among=[*known])
            return [replace(known[photo], key=key) for key, photo in rows], len(rows) < wanted

        return fetch

    def _shuffled(self, query: Query, limit: int, ids: Ids, known: dict[int, Ranked]) -> Page:
        """Order by a hash of the photo and a seed, which the pages that follow bring along."""
        seed = _end(query).seed or random.SystemRandom().getrandbits(48)
        keys = sorted((_hashed(photo, seed), photo) for photo in ids.tolist())
        rows = [replace(known.get(photo, Ranked(photo, key)), key=key) for key, photo in keys]
        return self._page(query, limit, lambda wanted: (rows, True), seed)

    def _page(self, query: Query, limit: int, fetch: Fetch, seed: int = 0) -> Page:
        """Fetch as much as it takes to fill the page that begins behind ``query.after``."""
        end = replace(_end(query), seed=seed)
        needed = end.shown + limit
        wanted = _enlarged(needed, end.looked, end.shown)
        wanted += _AHEAD + wanted // 50
        while True:
            candidates, is_all = fetch(wanted)
            grouped = self._grouped(query, candidates)
            rows = grouped
            if query.after:
                rows = [row for row in grouped if _is_behind(query, row, end)]
            if len(rows) > limit or is_all:
                looked = _enlarged(needed, len(candidates), len(grouped))
                return _cut(rows, limit, replace(end, looked=looked))
            likely = _enlarged(needed, wanted, len(grouped)) if grouped else _GROWTH * wanted
            wanted = min(max(likely + _AHEAD, wanted + wanted // 5), _GROWTH * wanted)

    def _grouped(self, query: Query, rows: list[Ranked]) -> list[Ranked]:
        """Let the best of each group stand for it, in the place of the first."""
        likeness = query.unique
        if likeness not in ("burst", "look") or not rows:
            return rows
        known = {row.photo: row for row in rows}
        traits = self._selection.traits([*known])
        photos = [photo for photo in known if photo in traits]
        here, found = self._index.vectors(np.array(photos, np.int64))
        vectors = np.zeros((len(photos), self._index.dim), np.float32)
        vectors[np.isin(photos, here)] = found
        return [_standing(group, known) for group in grouped(likeness, photos, traits, vectors)]


def _rows(found: Verdicts) -> list[Ranked]:
    columns = (found.ids.tolist(), found.raw.tolist(), found.scores.tolist())
    return [Ranked(photo, raw, score, raw) for photo, raw, score in zip(*columns, strict=True)]


def _standing(group: Group, known: Mapping[int, Ranked]) -> Ranked:
    """Return the best of a group, in the place of its first, with the others."""
    first = known[group.photos[0]]
    others = tuple(known[photo] for photo in group.photos if photo != group.best)
    return replace(known[group.best], key=first.key, first=first.photo, others=others)


def _with_first(rows: list[Ranked], asked: int | None) -> list[Ranked]:
    if asked is None:
        return rows
    # Its key is above that of any other, a photo with the same pixels too.
    return [Ranked(asked, 2.0, 1.0, 1.0), *(row for row in rows if row.photo != asked)]


def _holds(within: Ids | None, photo: int) -> bool:
    return within is None or bool(np.isin(photo, within))


def _kept(judge: Judge | None, ids: Ids) -> Ids:
    return ids if judge is None else ids[~judge.is_unwanted(ids)]


def order_of(query: Query, *, has_words: bool) -> str:
    """Return what the hits of a query are ordered by, as ``sort:`` has it."""
    if query.sort == "random" or (has_words and query.sort in (None, "score")):
        return query.sort or "score"
    return _order_of(query)


def _order_of(query: Query) -> Order:
    # Without words there is no score to sort by: the newest first.
    orders: dict[str | None, Order] = {"-date": "-date", "name": "name", "size": "size"}
    return orders.get(query.sort, "date")


def _end(query: Query) -> PageEnd:
    return read_page_word(query.after) if query.after else PageEnd(0, 0, 0)


def _is_behind(query: Query, row: Ranked, end: PageEnd) -> bool:
    if type(row.key) is not type(end.key):
        return False  # the end of a page of another order
    if row.score is not None and query.sort in (None, "score"):
        return (-float(row.key), row.place) > (-float(end.key), end.photo)
    here, there = (str(row.key), row.place), (str(end.key), end.photo)
    if not isinstance(row.key, str):
        return (float(row.key), row.place) < (float(end.key), end.photo)  # the largest first
    return here < there if _order_of(query) == "date" and query.sort != "random" else here > there


def _enlarged(count: int, candidates: int, rows: int) -> int:
    """Return how many candidates make so many rows, where some made some."""
    return max(count, -(-count * candidates // rows)) if rows else count


def _cut(rows: Sequence[Ranked], limit: int, end: PageEnd) -> Page:
    page = tuple(rows[:limit])
    if len(rows) <= limit:
        return Page(page)
    last = page[-1]
    return Page(
        page, page_word(PageEnd(last.key, last.place, end.shown + limit, end.seed, end.looked))
    )


def _hashed(photo: int, seed: int) -> str:
    return hashlib.blake2b(b"%d %d" % (seed, photo), digest_size=8).hexdigest()
