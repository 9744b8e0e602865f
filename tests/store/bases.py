"""Bases of an index, made of given vectors."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from clipd.photo import Ids, Vectors
from clipd.store.index_base import Base
from clipd.store.index_builder import Built
from clipd.store.index_delta import Codes, exact_index
from clipd.store.index_faiss import faiss_library


def built(codes: Codes, ids: Ids, vectors: Vectors, lists: int = 0, nprobe: int = 0) -> Built:
    """Make a base in memory; its vectors are sorted by id."""
    order = np.argsort(ids)
    dim = vectors.shape[1]
    index = exact_index(dim, codes)
    if lists:
        faiss = faiss_library()
        coarse, half = faiss.IndexFlatIP(dim), faiss.ScalarQuantizer.QT_fp16
        index = faiss.IndexIVFScalarQuantizer(
            coarse, dim, lists, half, faiss.METRIC_INNER_PRODUCT, False
        )
        index.cp.min_points_per_centroid = 1  # of so few FAISS warns
        index.train(vectors)
    index.add(np.ascontiguousarray(vectors[order]))
    return Built(index, np.asarray(ids[order], np.int64), 0, nprobe)


def opened(made: Built, dim: int, codes: Codes) -> Base:
    """Write a base and open it; the file has no name any more."""
    with tempfile.NamedTemporaryFile() as file:
        ids_at = made.write(file.write)
        file.flush()
        return Base.open(Path(file.name), ids_at, dim, codes, made.nprobe)
