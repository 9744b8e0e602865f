"""The index: exact nearest neighbours of a vector, by inner product, through FAISS."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, BinaryIO, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipd.errors import SnapshotError
from clipd.photo import Ids, Vectors

IndexKind: TypeAlias = Literal["fp16", "flat"]

_this_thread = threading.local()


class VectorIndex:
    """Vectors by photo id; any thread may ask and change.

    One lock guards it all: FAISS crashes when one thread searches while another adds. It knows
    which ids it holds, because FAISS takes an id twice and then answers with it twice, and
    because a removal reads through all ids, also when there is nothing to remove.
    """

    def __init__(self, dim: int, kind: IndexKind) -> None:
        self.dim = dim
        self.kind = kind
        self._lock = threading.Lock()
        self._index = _empty(dim, kind)  # guarded by _lock
        # One byte per id ever given, so ids should be dense, as the catalog's are.
        self._present = np.zeros(1024, dtype=np.bool_)  # guarded by _lock

    def __len__(self) -> int:
        with self._lock:
            return int(self._index.ntotal)

    def __contains__(self, photo: int) -> bool:
        with self._lock:
            return 0 <= photo < len(self._present) and bool(self._present[photo])

    def ids(self) -> Ids:
        """Return the ids it holds, in no order."""
        with self._lock:
            return _ids(self._index)

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
            self._remove(stale)
            self._add(ids, vectors)

    def search(
        self, query: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Return at most ``k`` ids and their scores, best first.

        Args:
            query: shape (dim,) or (1, dim), unit.
            within: only these ids are looked at; None: all.

        Returns:
            Ids (n,) and inner products (n,), with n <= k; nothing when the index is empty.
        """
        row = np.ascontiguousarray(query, dtype=np.float32).reshape(1, self.dim)
        faiss = _faiss()  # sets this thread's count of threads
        options = None
        if within is not None:
            options = faiss.SearchParameters(sel=faiss.IDSelectorBatch(within))
        with self._lock:
            k = min(k, int(self._index.ntotal))
            if k < 1:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            scores, ids = self._index.search(row, k, params=options)
        found = ids[0] >= 0  # FAISS fills up with -1
        # Half precision lengthens some vectors by a thousandth.
        return ids[0][found], scores[0][found].clip(-1, 1)

    def write(self, write: Callable[[bytes], int]) -> None:
        """Hand the index over in FAISS's format, piece by piece.

        Searches go on meanwhile, so only the thread that also changes the index may call this.
        """
        faiss = _faiss()
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))

    @classmethod
    def read(cls, stream: BinaryIO, dim: int, kind: IndexKind) -> Self:
        """Read what ``write`` wrote; the caller has checked that the bytes are the same.

        Raises:
            SnapshotError: it is no index, or one of another shape.
        """
        faiss = _faiss()
        try:
            index = faiss.read_index(faiss.PyCallbackIOReader(stream.read))
        except RuntimeError as error:
            raise SnapshotError(f"FAISS cannot read it: {error}") from error
        if _shape(index) != _shape(_empty(dim, kind)):
            raise SnapshotError(f"it is not an index of kind {kind} with {dim} dimensions")
        ids = _ids(index)
        made = cls(dim, kind)
        made._index = index
        if len(ids) and ids.min() >= 0:
            made._mark(ids, True)
        # Not np.unique: it takes more than a second for a million ids (numpy 2.4).
        if np.count_nonzero(made._present) != len(ids):
            raise SnapshotError("it holds an id twice, or one below zero")
        return made

    def adopt(self, other: VectorIndex) -> None:
        """Take over the content of ``other``, at once; ``other`` must not be used afterwards."""
        if (other.dim, other.kind) != (self.dim, self.kind):
            raise ValueError("an index can only adopt one of its own kind")
        with self._lock:
            self._index, self._present = other._index, other._present

    def _remove(self, ids: Ids) -> None:
        ids = ids[(ids >= 0) & (ids < len(self._present))]
        ids = ids[self._present[ids]]
        if len(ids):
            _faiss()
            self._index.remove_ids(ids)
            self._mark(ids, False)

    def _add(self, ids: Ids, vectors: Vectors) -> None:
        if len(ids):
            _faiss()
            self._index.add_with_ids(vectors, ids)
            self._mark(ids, True)

    def _mark(self, ids: Ids, present: bool) -> None:
        highest = int(ids.max(initial=0))
        if highest >= len(self._present):
            grown = np.zeros(max(highest + 1, 2 * len(self._present)), dtype=np.bool_)
            grown[: len(self._present)] = self._present
            self._present = grown
        self._present[ids] = present


def _faiss() -> ModuleType:
    """Import FAISS when it is first needed, and hold this thread to one thread of work.

    OpenMP's setting belongs to the calling thread; two runtimes at work slow both of them down
    (encoder from 18 to 7.5 steps a second, queries from 3.4 to 22.9 ms, measured).
    """
    import faiss

    if not getattr(_this_thread, "is_set", False):
        faiss.omp_set_num_threads(1)
        _this_thread.is_set = True
    return faiss


def _empty(dim: int, kind: IndexKind) -> Any:
    faiss = _faiss()
    if kind == "flat":
        return faiss.IndexIDMap(faiss.IndexFlatIP(dim))
    half = faiss.ScalarQuantizer.QT_fp16
    # IDMap, not IDMap2: vectors are in the catalog, and IDMap2 removes nine times slower.
    return faiss.IndexIDMap(faiss.IndexScalarQuantizer(dim, half, faiss.METRIC_INNER_PRODUCT))


def _shape(index: Any) -> tuple[object, ...]:
    faiss = _faiss()
    if not isinstance(index, faiss.IndexIDMap):
        return (type(index),)
    inner = faiss.downcast_index(index.index)
    return type(inner), inner.d, inner.metric_type, inner.sa_code_size()


def _ids(index: Any) -> Ids:
    ids: Ids = _faiss().vector_to_array(index.id_map)
    return ids


def _checked(ids: Ids, vectors: Vectors, dim: int) -> tuple[Ids, Vectors]:
    ids = np.ascontiguousarray(ids, dtype=np.int64)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(ids), dim)
    if len(np.unique(ids)) != len(ids) or (ids < 0).any():
        raise ValueError("ids must be distinct and not negative")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite")
    return ids, vectors
