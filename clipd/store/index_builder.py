"""Building a new base of the index from the catalog."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clipd.config.options import IndexConfig
from clipd.photo import Ids, Vectors
from clipd.store.index_base import Base
from clipd.store.index_delta import Codes, exact_index
from clipd.store.index_faiss import faiss_library
from clipd.store.reader import CatalogReader
from clipd.store.vectors import VectorPage

_PAGE = 5000  # vectors at a time: 10 MB of 512 dimensions
_TAUGHT_BY = 40  # vectors for each list; FAISS wants 39 at least
_FEWEST = 2000  # photos below which an IVF has nothing to learn lists from
_ASKED = 100  # queries of each kind that recall is measured with
_BEST = 10  # hits of each that count
_WANTED_RECALL = 0.982  # of these queries, for .98 of any
_FIRST_PROBES = 8
_PROBES_GROW = 1.4
_PROBES_STEP = 0.05  # of them: as near to the fewest that will do
_OUTGROWN = 2  # times as many photos as its lists were learnt from want new ones
_NO_LIST = -1
_MIXED = 3  # photos whose mean stands for a text where no text was ever asked


@dataclass(frozen=True, slots=True)
class Built:
    """A base that lies in memory, to be written.

    Attributes:
        index: of FAISS, its labels places.
        ids: ascending, by place.
        generation: the journal up to here is in it.
        nprobe: how many lists a search reads; 0: there are no lists.
        recall: of the ten best, measured; 1 where all are compared.
        taught_on: how many photos there were when the lists were learnt; 0: there are none.
    """

    index: Any
    ids: Ids
    generation: int
    nprobe: int = 0
    recall: float = 1.0
    taught_on: int = 0

    def write(self, write: Callable[[bytes], int]) -> int:
        """Hand it over piece by piece; return how many bytes are not ids."""
        size_bytes = 0

        def counted(piece: bytes) -> int:
            nonlocal size_bytes
            size_bytes += len(piece)
            return write(piece)

        faiss = faiss_library()
        faiss.write_index(self.index, faiss.PyCallbackIOWriter(counted))
        counted(bytes(-size_bytes % self.ids.itemsize))  # so that the ids can be mapped
        ids_at = size_bytes
        counted(self.ids.tobytes())
        return ids_at


def codes_of(config: IndexConfig) -> Codes:
    """Return how vectors are kept."""
    return "flat" if config.kind == "flat" else "fp16"


def has_lists(config: IndexConfig, photos: int) -> bool:
    """Tell whether a base of so many photos is to have lists, an IVF."""
    if config.kind == "auto":
        return photos > config.exact_up_to
    return config.kind == "ivf" and photos >= _FEWEST


@dataclass(frozen=True, slots=True)
class Before:
    """A base that has lists, for the next one to take over.

    Attributes:
        base: the older one.
        generation: the journal up to there is in it.
        taught_on: how many photos there were when its lists were learnt.
    """

    base: Base
    generation: int
    taught_on: int


def build(
    reader: CatalogReader, model: int, dim: int, config: IndexConfig, before: Before | None = None
) -> Built:
    """Build a base of all that belongs in the index now.

    What is written to the catalog meanwhile is in the journal behind its generation.
    Vectors that are damaged are left out.

    Args:
        before: whose lists are taken over, while the library has not doubled since they were
            learnt: to assign a million photos to 4,096 lists takes a core a minute.
    """
    _, generation = reader.journal.span()
    counts = reader.counts(model)
    photos = counts.photos - counts.without_vector
    if not has_lists(config, photos):
        index = exact_index(dim, codes_of(config))
        ids = _filled(reader, model, lambda page: index.add(page.vectors))
        return Built(index, ids, generation)
    if before is None or photos >= _OUTGROWN * before.taught_on:
        index, taught_on = _taught(reader, model, dim, photos), photos
        ids = _filled(reader, model, lambda page: index.add(page.vectors))
    else:
        index, taught_on = _with_lists_of(before.base, dim), before.taught_on
        changed = _changed(reader, before.generation)
        ids = _filled(reader, model, lambda page: _put(index, page, before.base, changed))
    texts = reader.vectors.of_late_texts(model, dim, _ASKED)
    nprobe, recall = _probes(index, ids, texts, config.nprobe)
    return Built(index, ids, generation, nprobe, recall, taught_on)


def _filled(reader: CatalogReader, model: int, add: Callable[[VectorPage], object]) -> Ids:
    """Hand over all vectors, page by page; return their ids, ascending."""
    pages = [np.empty(0, np.int64)]
    last = 0
    while (page := reader.vectors.indexable(model, last, _PAGE)).last:
        add(page)
        pages.append(page.ids)
        last = page.last
    return np.concatenate(pages)


def lists_for(photos: int) -> int:
    """Return how many lists so many photos are put into: a power of two.

    Near 4 times the root of them, but few enough that each is learnt from many.
    """
    most = max(16, photos // _TAUGHT_BY)
    return int(2 ** min(round(np.log2(4 * np.sqrt(max(photos, 1)))), int(np.log2(most))))


def _taught(reader: CatalogReader, model: int, dim: int, photos: int) -> Any:
    """Make an empty IVF that has learnt its lists from every so-manieth photo."""
    lists = lists_for(photos)
    step = max(1, photos // (lists * _TAUGHT_BY))
    sample: list[Vectors] = []
    last = 0
    while (page := reader.vectors.indexable(model, last, _PAGE)).last:
        sample.append(page.vectors[::step].copy())
        last = page.last
    index = _empty_ivf(faiss_library().IndexFlatIP(dim), dim, lists)
    index.train(np.concatenate(sample))
    return index


def _empty_ivf(coarse: Any, dim: int, lists: int) -> Any:
    faiss = faiss_library()
    half, by_product = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    # Not what is left beside the centres: the vectors as they are, so that scores are exact.
    return faiss.IndexIVFScalarQuantizer(coarse, dim, lists, half, by_product, False)


def _with_lists_of(base: Base, dim: int) -> Any:
    """Make an empty IVF with the lists of another."""
    faiss = faiss_library()
    index = _empty_ivf(faiss.clone_index(base.coarse), dim, base.lists)
    index.is_trained = True  # numbers of 16 bits need no learning
    return index


def _put(index: Any, page: VectorPage, base: Base, changed: Ids) -> None:
    """Put photos into the lists that they were in; new and changed ones into the nearest."""
    faiss = faiss_library()
    which, places = base.places(page.ids)
    lists = np.full(len(page.ids), _NO_LIST, np.int64)
    lists[which] = base.lists_at(places)
    lists[np.isin(page.ids, changed)] = _NO_LIST
    is_new = lists == _NO_LIST
    if is_new.any():
        _, nearest = index.quantizer.search(np.ascontiguousarray(page.vectors[is_new]), 1)
        lists[is_new] = nearest[:, 0]
    rows = np.ascontiguousarray(page.vectors)
    index.add_core(len(rows), faiss.swig_ptr(rows), None, faiss.swig_ptr(lists))


def _changed(reader: CatalogReader, since: int) -> Ids:
    """Return the photos that the journal names from there on, ascending."""
    found: set[int] = set()
    while True:
        since, photos = reader.journal.after(since, _PAGE)
        if not photos:
            return np.array(sorted(found), np.int64)
        found.update(photos)


def _probes(index: Any, ids: Ids, texts: Vectors, fixed: int) -> tuple[int, float]:
    """Return how many lists to read for the recall that is wanted, and the recall measured.

    The lower one of two counts: that of the library's pictures, and of texts, which lie outside
    of the cloud of pictures, so that their hits are spread over more lists.

    Args:
        texts: vectors of queries; empty where nobody has asked yet.
        fixed: the number of lists that the configuration wants; 0: as many as it takes.
    """
    index.make_direct_map(True)
    random = np.random.default_rng(0)
    pictures = index.reconstruct_batch(random.integers(0, len(ids), _ASKED))
    if not len(texts):
        mixed = random.integers(0, len(ids), (_ASKED, _MIXED))
        texts = index.reconstruct_batch(mixed.ravel()).reshape(*mixed.shape, -1).mean(axis=1)
        texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    exact = [_best(index, queries, index.nlist) for queries in (pictures, texts)]

    def recall_with(nprobe: int) -> float:
        found = [_best(index, queries, nprobe) for queries in (pictures, texts)]
        return min(_shared(*pair) for pair in zip(found, exact, strict=True))

    if fixed:
        nprobe = min(fixed, index.nlist)
        return nprobe, recall_with(nprobe)
    return fewest_lists(recall_with, index.nlist)


def fewest_lists(recall_with: Callable[[int], float], lists: int) -> tuple[int, float]:
    """Return the fewest lists that will do, or a few more, and their recall.

    Args:
        recall_with: the recall of searches that read so many lists; of all, 1.
        lists: how many there are.
    """
    too_few, nprobe = 0, min(_FIRST_PROBES, lists)
    while (recall := recall_with(nprobe)) < _WANTED_RECALL and nprobe < lists:
        too_few, nprobe = nprobe, min(math.ceil(_PROBES_GROW * nprobe), lists)
    while nprobe - too_few > max(1, _PROBES_STEP * nprobe):
        middle = (too_few + nprobe) // 2
        if (less := recall_with(middle)) >= _WANTED_RECALL:
            nprobe, recall = middle, less
        else:
            too_few = middle
    return nprobe, recall


def _best(index: Any, queries: Vectors, nprobe: int) -> Ids:
    faiss = faiss_library()
    parameters = faiss.SearchParametersIVF(nprobe=nprobe)
    _, places = index.search(queries, min(_BEST, index.ntotal), params=parameters)
    found: Ids = places
    return found


def _shared(found: Ids, exact: Ids) -> float:
    """Return the share of the exact hits that were found, over all queries."""
    pairs = zip(found, exact, strict=True)
    return float(np.mean([np.isin(wanted, row).mean() for row, wanted in pairs]))
