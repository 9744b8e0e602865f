"""Vectors at places, in an index of FAISS, and the best of them for a query."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids, Vectors
from clipd.store.index_faiss import faiss_library

Places: TypeAlias = NDArray[np.integer[Any]]  # (n,), where vectors lie in FAISS's index
Mask: TypeAlias = NDArray[np.bool_]  # (n,), by place

_MORE = 16  # candidates more than asked for: roundings and equal scores may reorder the last
_GROWTH = 4
_ROUNDING = 4e-6  # FAISS adds up 512 products in single precision
# With more than this share of all wanted, it is quicker to ask for more and drop the others: at 1M
# a selection of 10 % takes 27 ms, of 30 % 47, of 50 % 64, and a search of all 35 (fp16, 512
# dimensions). Multiplying a few rows in numpy is slower still (.1 %: 8 ms, selected 2).
_MANY = 0.25
_AMONG = 20  # of an IVF's lists so many are read that they hold this many times what is wanted


@dataclass(frozen=True, slots=True)
class Found:
    """The best of a segment, the best first: ids (n,) and inner products (n,)."""

    ids: Ids
    scores: NDArray[np.float64]

    def __add__(self, other: Found) -> Found:
        """Return the hits of both in order: by score, equal ones by id."""
        ids = np.concatenate([self.ids, other.ids])
        scores = np.concatenate([self.scores, other.scores])
        order = np.lexsort((ids, -scores))
        return Found(ids[order], scores[order])


NOTHING_FOUND = Found(np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class Segment:
    """Vectors that nobody changes while they are searched.

    Attributes:
        index: of FAISS; its labels are places, from 0 on.
        ids: by place.
        nprobe: how many lists of an IVF a search reads; 0: the index is exact.
    """

    index: Any
    ids: Ids
    nprobe: int = 0

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def rows(self, places: Places) -> Vectors:
        """Return the vectors at these places."""
        rows: Vectors = self.index.reconstruct_batch(places.astype(np.int64))
        return rows

    def best(self, row: Vectors, k: int, mask: Mask | None = None, is_exact: bool = True) -> Found:
        """Return the ``k`` best.

        Scores are those of plain arithmetic on the vectors as they are kept, to six decimals, and
        equal ones are in the order of their ids: whichever way was the quickest, the answer is
        the same.

        Args:
            row: the query, shape (1, dim).
            mask: which places are looked at; None: all.
            is_exact: read all lists of an IVF.
        """
        most = len(self) if mask is None else int(np.count_nonzero(mask))
        k = min(k, most)
        if k < 1:
            return NOTHING_FOUND
        wanted = k + _MORE
        while True:
            rough, places = self._nearest(row, min(wanted, most), most, mask, is_exact)
            ids = self.ids[places]
            scores = _exact(row[0], self.rows(places))
            order = np.lexsort((ids, -scores))[:k]
            # What was not found scores less than all that was: not by a rounding either.
            if wanted >= most or rough.min() < scores[order[-1]] - _ROUNDING:
                return Found(ids[order], scores[order])
            wanted *= _GROWTH

    def _nearest(
        self, row: Vectors, count: int, most: int, mask: Mask | None, is_exact: bool
    ) -> tuple[NDArray[np.float32], Places]:
        """Return scores and places of the ``count`` best, in FAISS's arithmetic and order."""
        every = len(self)
        share = most / every
        asked = count
        if mask is not None and share > _MANY:
            slack = 1 if share > 1 - _MANY / 2 else 2
            asked = min(every, math.ceil(count / share * slack) + _MORE)
        is_selected = mask is not None and share <= _MANY
        for nprobe in self._probes(asked, is_exact):
            scores, places = self._searched(row, asked, nprobe, mask if is_selected else None)
            if mask is not None and not is_selected:
                kept = mask[places]
                scores, places = scores[kept], places[kept]
            if len(places) >= count:
                return scores[:count], places[:count]
        return self._searched(row, count, self._all_lists(), mask)

    def _searched(
        self, row: Vectors, count: int, nprobe: int, mask: Mask | None
    ) -> tuple[NDArray[np.float32], Places]:
        faiss = faiss_library()
        options: dict[str, Any] = {}
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")  # lives until the search is over
            options["sel"] = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits))
        if nprobe:
            options["nprobe"] = nprobe
        make = faiss.SearchParametersIVF if nprobe else faiss.SearchParameters
        scores, places = self.index.search(row, count, params=make(**options) if options else None)
        is_there = places[0] >= 0  # the lists of an IVF may hold fewer
        return scores[0][is_there], places[0][is_there]

    def _probes(self, asked: int, is_exact: bool) -> list[int]:
        """Return how many lists to read at first, and when these do not hold enough."""
        lists = self._all_lists()
        if is_exact or not self.nprobe:
            return [lists]
        enough = math.ceil(lists * _AMONG * asked / max(len(self), 1))
        return sorted({min(lists, max(self.nprobe, enough)), lists})

    def _all_lists(self) -> int:
        return int(self.index.nlist) if self.nprobe else 0


def _exact(query: NDArray[np.float32], rows: Vectors) -> NDArray[np.float64]:
    """Return inner products as they are, to six decimals; half precision lengthens some rows."""
    products: NDArray[np.float64] = rows.astype(np.float64) @ query.astype(np.float64)
    return products.round(6).clip(-1, 1)
