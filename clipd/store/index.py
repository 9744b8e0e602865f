"""The index: nearest neighbours of a vector, by inner product, through FAISS.

A **base** that never changes lies in a file and is mapped, so that its memory is the system's to
give and take back; what came since is in a small **delta** in memory; what went since is passed
over. A new base takes the place of all three.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids, Vectors
from clipd.store.index_base import Base
from clipd.store.index_delta import Codes, Delta
from clipd.store.index_faiss import faiss_library
from clipd.store.index_segment import Mask


class VectorIndex:
    """Vectors by photo id; any thread may ask and change.

    One lock guards the delta: FAISS crashes when one thread searches while another adds. The base
    is searched beside it, with the dead as they were at one moment.
    """

    def __init__(self, dim: int, codes: Codes, base: Base | None = None) -> None:
        self.dim = dim
        self.codes = codes
        self._lock = threading.Lock()
        self._delta = Delta(dim, codes)  # guarded by _lock
        self._base = base  # guarded by _lock, as which one it is
        # Which of the base count, None for all; replaced and never changed. Guarded by _lock.
        self._alive: Mask | None = None
        self._dead = 0  # guarded by _lock

    @property
    def base(self) -> Base | None:
        """The part of it that lies in a file."""
        with self._lock:
            return self._base

    @property
    def kind(self) -> str:
        """How it compares: "ivf" by lists, else with all, by how vectors are kept."""
        base = self.base
        return "ivf" if base is not None and base.lists else self.codes

    def __len__(self) -> int:
        with self._lock:
            return len(self._delta) + len(self._base or ()) - self._dead

    def __contains__(self, photo: int) -> bool:
        one = np.array([photo], np.int64)
        with self._lock:
            return bool(self._delta.holds(one)[0]) or len(self._places(one)[1]) > 0

    def ids(self) -> Ids:
        """Return the ids it holds, in no order."""
        with self._lock:
            recent = self._delta.ids()
            base, alive = self._base, self._alive
        if base is None:
            return recent
        return np.concatenate([base.ids if alive is None else base.ids[alive], recent])

    def replace(self, drop: Ids, ids: Ids, vectors: Vectors) -> None:
        """Take out ``drop`` and old vectors of ``ids``, then add ``ids``, all at once.

        Args:
            drop: ids to take out; those that are not there are passed over.
            ids: distinct ids, of the rows of ``vectors``.
            vectors: shape (n, dim), unit rows.
        """
        ids, vectors = _checked(ids, vectors, self.dim)
        stale = np.union1d(np.asarray(drop, dtype=np.int64), ids)
        with self._lock:
            self._bury(stale)
            self._delta.remove(stale)
            self._delta.add(ids, vectors)

    def vectors(self, ids: Ids) -> tuple[Ids, Vectors]:
        """Return those of ``ids`` that are here, in the same order, and their vectors."""
        faiss_library()
        with self._lock:
            is_recent = self._delta.holds(ids)
            recent = self._delta.rows(ids[is_recent])
            base = self._base
            is_old, places = self._places(ids)
        rows = np.empty((len(ids), self.dim), np.float32)
        rows[is_recent] = recent
        if base is not None:
            rows[is_old] = base.rows(places)
        here = is_recent.copy()
        here[is_old] = True
        return ids[here], rows[here]

    def search(
        self, query: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Return at most ``k`` ids and their scores, best first.

        All are compared, or all of ``within``; only with a base that has lists, and without
        ``within``, the nearest lists alone.

        Args:
            query: shape (dim,) or (1, dim), unit.
            within: only these ids are looked at, distinct ones; None: all.

        Returns:
            Ids (n,) and inner products (n,), with n <= k; nothing when the index is empty.
        """
        row = np.ascontiguousarray(query, dtype=np.float32).reshape(1, self.dim)
        faiss_library()  # sets this thread's count of threads
        with self._lock:
            found = self._delta.best(row, k, within)
            base, alive = self._base, self._alive
        if base is not None:
            found += base.best(row, k, alive, within)
        return found.ids[: max(k, 0)], found.scores[: max(k, 0)].astype(np.float32)

    def adopt(self, other: VectorIndex) -> None:
        """Take over the content of ``other``, at once; ``other`` must not be used afterwards."""
        if (other.dim, other.codes) != (self.dim, self.codes):
            raise ValueError("an index can only adopt one of its own kind")
        with self._lock:
            self._delta, self._base = other._delta, other._base
            self._alive, self._dead = other._alive, other._dead

    def _places(self, ids: Ids) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of ``ids`` count in the base, and their places there."""
        nothing = np.empty(0, np.intp)
        if self._base is None:
            return nothing, nothing
        which, places = self._base.places(ids)
        if self._alive is None:
            return which, places
        alive = self._alive[places]
        return which[alive], places[alive]

    def _bury(self, ids: Ids) -> None:
        _, places = self._places(ids)
        if len(places):
            assert self._base is not None
            alive = (
                np.ones(len(self._base), np.bool_) if self._alive is None else self._alive.copy()
            )
            alive[places] = False
            self._alive = alive
            self._dead += len(places)


def _checked(ids: Ids, vectors: Vectors, dim: int) -> tuple[Ids, Vectors]:
    ids = np.ascontiguousarray(ids, dtype=np.int64)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(ids), dim)
    if len(np.unique(ids)) != len(ids) or (ids < 0).any():
        raise ValueError("ids must be distinct and not negative")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite")
    return ids, vectors
