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

Places: TypeAlias = NDArray[np.integer[Any]]  # (n,), where vectors lie in FAISS's index

_this_thread = threading.local()

_NOWHERE = -1
_MORE = 16  # candidates more than asked for: roundings and equal scores may reorder the last
_GROWTH = 4
_ROUNDING = 4e-6  # FAISS adds up 512 products in single precision
# With more than this share of all wanted, it is quicker to ask for more and drop the others: at 1M
# a selection of 10 % takes 27 ms, of 30 % 47, of 50 % 64, and a search of all 35 (fp16, 512
# dimensions). Multiplying a few rows in numpy is slower still (.1 %: 8 ms, selected 2).
_MANY = 0.25


class VectorIndex:
    """Vectors by photo id; any thread may ask and change.

    One lock guards it all: FAISS crashes when one thread searches while another adds. It knows
    where each id lies, because FAISS takes an id twice and then answers with it twice, because
    a removal reads through all ids, also when there is nothing to remove, and because a search
    among some ids is twice as quick by their places (1M, 10 %: 27 ms, not 39).

    Scores are those of plain arithmetic on the vectors as they are kept, to six decimals, and
    equal ones are in the order of their ids: whichever way was the quickest, the answer is the
    same.
    """

    def __init__(self, dim: int, kind: IndexKind) -> None:
        self.dim = dim
        self.kind = kind
        self._lock = threading.Lock()
        self._index = _empty(dim, kind)  # guarded by _lock
        # Four bytes per id ever given, so ids should be dense, as the catalog's are.
        self._places = np.full(1024, _NOWHERE, dtype=np.int32)  # guarded by _lock

    def __len__(self) -> int:
        with self._lock:
            return int(self._index.ntotal)

    def __contains__(self, photo: int) -> bool:
        with self._lock:
            return 0 <= photo < len(self._places) and bool(self._places[photo] != _NOWHERE)

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

    def vectors(self, ids: Ids) -> tuple[Ids, Vectors]:
        """Return those of ``ids`` that are here, in the same order, and their vectors."""
        _faiss()
        with self._lock:
            here = self._is_here(ids)
            return ids[here], self._rows(self._places[ids[here]])

    def search(
        self, query: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Return at most ``k`` ids and their scores, best first.

        Args:
            query: shape (dim,) or (1, dim), unit.
            within: only these ids are looked at, distinct ones; None: all.

        Returns:
            Ids (n,) and inner products (n,), with n <= k; nothing when the index is empty.
        """
        row = np.ascontiguousarray(query, dtype=np.float32).reshape(1, self.dim)
        _faiss()  # sets this thread's count of threads
        with self._lock:
            places = None if within is None else self._places[within[self._is_here(within)]]
            most = int(self._index.ntotal) if places is None else len(places)
            k = min(k, most)
            if k < 1:
                return np.empty(0, np.int64), np.empty(0, np.float32)
            wanted = k + _MORE
            while True:
                rough, found = self._nearest(row, min(wanted, most), places)
                ids = _ids_at(self._index, found)
                scores = _exact(row[0], self._rows(found))
                order = np.lexsort((ids, -scores))[:k]
                # What was not found scores less than all that was: not by a rounding either.
                if wanted >= most or rough.min() < scores[order[-1]] - _ROUNDING:
                    return ids[order], scores[order].astype(np.float32)
                wanted *= _GROWTH

    def _nearest(
        self, row: Vectors, count: int, places: Places | None
    ) -> tuple[NDArray[np.float32], Places]:
        """Return scores and places of the best, in FAISS's arithmetic and order."""
        inner = _inner(self._index)
        if places is None:
            scores, found = inner.search(row, count)
            return scores[0], found[0]
        is_wanted = np.zeros(inner.ntotal, dtype=np.bool_)
        is_wanted[places] = True
        share = len(places) / inner.ntotal
        if share > _MANY:
            scores, found = inner.search(row, min(inner.ntotal, int(count / share * 2) + _MORE))
            kept = is_wanted[found[0]]
            if np.count_nonzero(kept) >= count:
                return scores[0][kept][:count], found[0][kept][:count]
        faiss = _faiss()
        bits = np.packbits(is_wanted, bitorder="little")  # lives until the search is over
        selector = faiss.IDSelectorBitmap(inner.ntotal, faiss.swig_ptr(bits))
        scores, found = inner.search(row, count, params=faiss.SearchParameters(sel=selector))
        return scores[0], found[0]

    def _is_here(self, ids: Ids) -> NDArray[np.bool_]:
        here = (ids >= 0) & (ids < len(self._places))
        here[here] = self._places[ids[here]] != _NOWHERE
        return here

    def _rows(self, places: Places) -> Vectors:
        rows: Vectors = _inner(self._index).reconstruct_batch(places.astype(np.int64))
        return rows

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
        if len(ids) and ids.min() < 0:
            raise SnapshotError("it holds an id below zero")
        made._find_places()
        # Not np.unique: it takes more than a second for a million ids (numpy 2.4).
        if np.count_nonzero(made._places != _NOWHERE) != len(ids):
            raise SnapshotError("it holds an id twice")
        return made

    def adopt(self, other: VectorIndex) -> None:
        """Take over the content of ``other``, at once; ``other`` must not be used afterwards."""
        if (other.dim, other.kind) != (self.dim, self.kind):
            raise ValueError("an index can only adopt one of its own kind")
        with self._lock:
            self._index, self._places = other._index, other._places

    def _remove(self, ids: Ids) -> None:
        ids = ids[self._is_here(ids)]
        if len(ids):
            _faiss()
            self._index.remove_ids(ids)
            self._places[ids] = _NOWHERE
            self._find_places()

    def _add(self, ids: Ids, vectors: Vectors) -> None:
        if len(ids):
            _faiss()
            first = int(self._index.ntotal)
            self._index.add_with_ids(vectors, ids)
            self._make_room(ids)
            self._places[ids] = np.arange(first, first + len(ids), dtype=np.int32)

    def _find_places(self) -> None:
        """Note where each id lies; FAISS closes the gaps of a removal, and keeps the order."""
        ids = _ids(self._index)
        self._make_room(ids)
        self._places[ids] = np.arange(len(ids), dtype=np.int32)

    def _make_room(self, ids: Ids) -> None:
        highest = int(ids.max(initial=0))
        if highest >= len(self._places):
            size = max(highest + 1, 2 * len(self._places))
            grown = np.full(size, _NOWHERE, dtype=np.int32)
            grown[: len(self._places)] = self._places
            self._places = grown


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
    inner = _inner(index)
    return type(inner), inner.d, inner.metric_type, inner.sa_code_size()


def _ids(index: Any) -> Ids:
    ids: Ids = _faiss().vector_to_array(index.id_map)
    return ids


def _inner(index: Any) -> Any:
    """Return the index within, which knows places and no ids."""
    return _faiss().downcast_index(index.index)


def _ids_at(index: Any, places: Places) -> Ids:
    # A view: to copy a million ids takes a millisecond.
    faiss = _faiss()
    ids: Ids = faiss.rev_swig_ptr(index.id_map.data(), index.id_map.size())[places]
    return ids


def _exact(query: NDArray[np.float32], rows: Vectors) -> NDArray[np.float64]:
    """Return inner products as they are, to six decimals; half precision lengthens some rows."""
    products: NDArray[np.float64] = rows.astype(np.float64) @ query.astype(np.float64)
    return products.round(6).clip(-1, 1)


def _checked(ids: Ids, vectors: Vectors, dim: int) -> tuple[Ids, Vectors]:
    ids = np.ascontiguousarray(ids, dtype=np.int64)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(ids), dim)
    if len(np.unique(ids)) != len(ids) or (ids < 0).any():
        raise ValueError("ids must be distinct and not negative")
    if not np.isfinite(vectors).all():
        raise ValueError("vectors must be finite")
    return ids, vectors
