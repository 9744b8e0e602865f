"""Building a new base of the index from the catalog."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clipd.config.options import IndexConfig
from clipd.photo import Ids, Vectors
from clipd.store.index_delta import Codes, exact_index
from clipd.store.index_faiss import faiss_library
from clipd.store.reader import CatalogReader

_PAGE = 5000  # vectors at a time: 10 MB of 512 dimensions
_TAUGHT_BY = 40  # vectors for each list; FAISS wants 39 at least
_FEWEST = 2000  # photos below which an IVF has nothing to learn lists from
_ASKED = 100  # queries of each kind that recall is measured with
_BEST = 10  # hits of each that count
_WANTED_RECALL = 0.98
_FIRST_PROBES = 8
_PROBES_GROW = 1.4
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
    """

    index: Any
    ids: Ids
    generation: int
    nprobe: int = 0
    recall: float = 1.0

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


def build(reader: CatalogReader, model: int, dim: int, config: IndexConfig) -> Built:
    """Build a base of all that belongs in the index now.

    What is written to the catalog meanwhile is in the journal behind its generation.
    Vectors that are damaged are left out.
    """
    _, generation = reader.journal_span()
    counts = reader.counts(model)
    photos = counts.photos - counts.without_vector
    lists = has_lists(config, photos)
    index = _taught(reader, model, dim, photos) if lists else exact_index(dim, codes_of(config))
    pages = [np.empty(0, np.int64)]
    last = 0
    while (page := reader.indexable(model, last, _PAGE)).last:
        index.add(page.vectors)
        pages.append(page.ids)
        last = page.last
    ids = np.concatenate(pages)
    if not lists:
        return Built(index, ids, generation)
    texts = reader.some_text_vectors(model, dim, _ASKED)
    nprobe, recall = _probes(index, ids, texts, config.nprobe)
    return Built(index, ids, generation, nprobe, recall)


def lists_for(photos: int) -> int:
    """Return how many lists so many photos are put into: a power of two near 4 times the root."""
    return max(16, int(2 ** round(np.log2(4 * np.sqrt(max(photos, 1))))))


def _taught(reader: CatalogReader, model: int, dim: int, photos: int) -> Any:
    """Make an empty IVF that has learnt its lists from every so-manieth photo."""
    faiss = faiss_library()
    lists = lists_for(photos)
    step = max(1, photos // (lists * _TAUGHT_BY))
    sample: list[Vectors] = []
    last = 0
    while (page := reader.indexable(model, last, _PAGE)).last:
        sample.append(page.vectors[::step].copy())
        last = page.last
    half = faiss.ScalarQuantizer.QT_fp16
    coarse = faiss.IndexFlatIP(dim)
    by_product = faiss.METRIC_INNER_PRODUCT
    # Not what is left beside the centres: the vectors as they are, so that scores are exact.
    index = faiss.IndexIVFScalarQuantizer(coarse, dim, lists, half, by_product, False)
    index.train(np.concatenate(sample))
    return index


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
    nprobe = fixed or _FIRST_PROBES
    while True:
        nprobe = min(nprobe, index.nlist)
        found = [_best(index, queries, nprobe) for queries in (pictures, texts)]
        recall = min(_shared(*pair) for pair in zip(found, exact, strict=True))
        if fixed or recall >= _WANTED_RECALL or nprobe == index.nlist:
            return nprobe, recall
        nprobe = math.ceil(_PROBES_GROW * nprobe)


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
