"""The part of the index that never changes: a file, mapped into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clipd.errors import SnapshotError
from clipd.photo import Ids, Vectors
from clipd.store.index_delta import Codes, exact_index
from clipd.store.index_faiss import faiss_library
from clipd.store.index_segment import Found, Mask, Places, Segment


class Base:
    """Vectors by photo id, in the order of their ids. Any thread.

    Memory for the vectors is the system's, which reads them from the file when they are needed
    and may forget them at any time: a million open in .02 s and take 30 MB of our own.
    """

    def __init__(self, segment: Segment, recall: float) -> None:
        """Wrap a segment.

        Args:
            recall: of the ten best, as it was measured; 1 where all are compared.
        """
        self._segment = segment
        self.recall = recall

    @classmethod
    def open(
        cls, file: Path, ids_at: int, dim: int, codes: Codes, nprobe: int = 0, recall: float = 1.0
    ) -> Self:
        """Open what ``index_builder`` wrote; the caller has checked that the bytes are the same.

        Args:
            file: FAISS's index, and the ids behind it.
            ids_at: where the ids begin.
            nprobe: how many lists a search reads; 0 where there are no lists.
            recall: of the ten best, as it was measured.

        Raises:
            OSError: it cannot be read.
            SnapshotError: it is no index, or one of another shape.
        """
        faiss = faiss_library()
        ids = np.memmap(file, np.int64, "r", offset=ids_at)
        try:
            # The one way to open it that keeps the vectors in the file (FAISS 1.15, measured).
            index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise SnapshotError(f"FAISS cannot read it: {error}") from error
        if not _is_of_shape(index, dim, codes, nprobe) or index.ntotal != len(ids):
            raise SnapshotError(f"it is not an index of {dim} dimensions as {codes}")
        if len(ids) and (ids[0] < 0 or not (np.diff(ids) > 0).all()):
            raise SnapshotError("its ids are not in order")
        if nprobe:
            index.make_direct_map(True)
        return cls(Segment(index, ids, nprobe), recall)

    def __len__(self) -> int:
        return len(self._segment)

    @property
    def ids(self) -> Ids:
        """The ids, ascending."""
        return self._segment.ids

    @property
    def nprobe(self) -> int:
        """How many lists a search reads; 0: it has no lists, and is exact."""
        return self._segment.nprobe

    @property
    def lists(self) -> int:
        """How many lists it has; 0: it is exact."""
        return int(self._segment.index.nlist) if self.nprobe else 0

    @property
    def coarse(self) -> Any:
        """FAISS's index of the centres of the lists."""
        return self._segment.index.quantizer

    def lists_at(self, places: Places) -> NDArray[np.int64]:
        """Return the numbers of the lists that vectors lie in."""
        faiss = faiss_library()
        found = self._segment.index.direct_map.array  # the list above, the place in it below
        where = faiss.rev_swig_ptr(found.data(), found.size())
        numbers: NDArray[np.int64] = where[places] >> 32
        return numbers

    def places(self, ids: Ids) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which of ``ids`` are here, as positions in ``ids``, and their places."""
        places = np.searchsorted(self.ids, ids)
        inside = np.flatnonzero(places < len(self))
        which = inside[self.ids[places[inside]] == ids[inside]]
        return which, places[which]

    def rows(self, places: Places) -> Vectors:
        """Return the vectors at these places."""
        return self._segment.rows(places)

    def best(self, row: Vectors, k: int, alive: Mask | None, within: Ids | None) -> Found:
        """Return the ``k`` best of those alive, or exactly the ``k`` best of ``within`` alive.

        Args:
            row: the query, shape (1, dim).
            alive: by place; None: all are.
        """
        if within is None:
            return self._segment.best(row, k, alive, is_exact=False)
        mask = np.zeros(len(self), np.bool_)
        _, places = self.places(within)
        mask[places] = True if alive is None else alive[places]
        return self._segment.best(row, k, mask)


def _is_of_shape(index: Any, dim: int, codes: Codes, nprobe: int) -> bool:
    exact = exact_index(dim, codes)
    faiss = faiss_library()
    wanted = faiss.IndexIVFScalarQuantizer if nprobe else type(exact)
    if type(index) is not wanted or (index.d, index.metric_type) != (dim, exact.metric_type):
        return False
    return bool(index.sa_code_size() == exact.sa_code_size() or nprobe)
