"""The index that a Milvus keeps: it proposes photos, and the catalog's vectors decide.

So the scores are those of every other index, in the same order, and a photo that has gone, which
Milvus may list for a moment, is never a hit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids, Vectors
from clipd.store.milvus_collection import MOST, MilvusCollection
from clipd.store.reader import CatalogReader

_MORE = 16  # candidates more than are wanted: their order is not exactly that of Milvus
_FEW = 20_000  # photos whose vectors are multiplied rather than searched for: .15 s
_SLACK = 3  # times as many candidates as should hold enough of those that a filter lets pass
_PAGE = 5000


class MilvusIndex:
    """Vectors by photo id; any thread may ask. Without Milvus, all but a search of all works."""

    kind = "milvus"

    def __init__(self, collection: MilvusCollection, reader: CatalogReader, model: int) -> None:
        """Join the collection that is searched and the catalog that it follows.

        Args:
            model: whose vectors, as the catalog numbers it.
        """
        self.dim = collection.dim
        self._collection = collection
        self._reader = reader
        self._model = model

    def __len__(self) -> int:
        counts = self._reader.counts(self._model)
        return max(0, counts.photos - counts.without_vector)

    def __contains__(self, photo: int) -> bool:
        return bool(len(self._reader.vectors.indexable_of(self._model, [photo]).ids))

    def ids(self) -> Ids:
        """Return the ids that Milvus holds, ascending; page by page.

        Raises:
            IndexAwayError: it cannot be asked just now.
        """
        return self._collection.held(0, None)

    def replace(self, drop: Ids, ids: Ids, vectors: Vectors) -> None:
        """Take out ``drop``, then write ``ids``.

        Raises:
            IndexAwayError: it cannot be written just now; what was may be written again.
        """
        if not np.isfinite(vectors).all():  # Milvus Lite would take them
            raise ValueError("vectors must be finite")
        self._collection.remove(np.setdiff1d(drop, ids))
        self._collection.put(ids, vectors)

    def vectors(self, ids: Ids) -> tuple[Ids, Vectors]:
        """Return those of ``ids`` that can be found, in the same order, and their vectors."""
        found, rows = [np.empty(0, np.int64)], [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(ids), _PAGE):
            some = ids[start : start + _PAGE].tolist()
            page = self._reader.vectors.indexable_of(self._model, some)
            found.append(page.ids)
            rows.append(page.vectors)
        here, vectors = np.concatenate(found), np.concatenate(rows)
        order = np.argsort(here, kind="stable")
        wanted = ids[np.isin(ids, here)]
        places = order[np.searchsorted(here, wanted, sorter=order)]
        return wanted, vectors[places]

    def search(
        self, query: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Return at most ``k`` ids and their scores, best first; at most as many as Milvus gives.

        All of ``within`` are compared where they are few, or where Milvus does not propose
        enough of them.

        Args:
            query: shape (dim,) or (1, dim), unit.
            within: only these ids are looked at, distinct ones; None: all.

        Raises:
            IndexAwayError: it cannot be asked just now.
        """
        row = np.ascontiguousarray(query, dtype=np.float32).reshape(self.dim)
        if k < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        if within is None:
            return self._best(row, k, self._collection.nearest(row, k + _MORE))
        if len(within) > _FEW:
            asked = math.ceil((k + _MORE) * _SLACK * max(len(self), 1) / len(within))
            if asked <= MOST:
                found = self._collection.nearest(row, asked)
                found = found[np.isin(found, within)]
                if len(found) >= k + _MORE:
                    return self._best(row, k, found)
        return self._best(row, k, within)

    def _best(
        self, row: NDArray[np.float32], k: int, candidates: Ids
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Return the best of some photos by the catalog's vectors, a page at a time."""
        ids, scores = np.empty(0, np.int64), np.empty(0, np.float64)
        for start in range(0, len(candidates), _PAGE):
            some = candidates[start : start + _PAGE].tolist()
            page = self._reader.vectors.indexable_of(self._model, some)
            # As in every other index: plain arithmetic on vectors as they are kept, six decimals.
            products = (
                (page.vectors.astype(np.float64) @ row.astype(np.float64)).round(6).clip(-1, 1)
            )
            ids, scores = np.concatenate([ids, page.ids]), np.concatenate([scores, products])
            order = np.lexsort((ids, -scores))[:k]
            ids, scores = ids[order], scores[order]
        return ids, scores.astype(np.float32)
