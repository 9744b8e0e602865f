"""HNSW, IVF and exact search side by side: `python -m bench.kinds [PHOTOS [KIND ...]]`.

Vectors of 512 numbers in themes, kept in half precision; built with two threads, mapped as clipd
maps its index, and searched with one. Lists read and candidates kept grow until .98 of the ten best
are found, of texts and of pictures.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.inputs import clustered, like_texts
from bench.scale import anonymous_mib
from clipd.photo import Vectors
from clipd.store.index_builder import lists_for
from clipd.store.index_delta import exact_index
from clipd.store.index_faiss import faiss_library

_DIM = 512
_THEMES = 10_000
_PAGE = 5000
_QUERIES = 100  # of texts, and as many of pictures
_K = 10
_WANTED = 0.98
_GROWS = 1.4
_TAUGHT_BY = 40
# Neighbours of a photo, and candidates for them while the graph is built.
_GRAPHS = {"hnsw16": (16, 60), "hnsw32": (32, 100)}
_SHARES = (0.01, 0.1)  # of all photos, which filters let pass
_COLD = 20  # searches of a file of which nothing is in memory


def main(photos: int, names: Sequence[str]) -> None:
    """Print what each of the kinds costs with so many photos; all kinds where none is named."""
    print(f"{photos:,} photos", flush=True)
    kinds = [kind for kind in _kinds(photos) if not names or kind.name in names]
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as folder:
        _compare(photos, kinds, Path(folder) / "index")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of index, and how one search of it is told how much to look at."""

    name: str
    make: Callable[[Any], Any]  # from an exact index that holds the vectors
    parameters: Callable[[int, Any], Any]  # from how much to look at, and a selector or None
    first: int  # of what grows until enough is found
    most: int


def _compare(photos: int, kinds: Sequence[_Kind], file: Path) -> None:
    faiss = faiss_library()
    exact = exact_index(_DIM, "fp16")
    for start in range(0, photos, _PAGE):
        exact.add(clustered(_PAGE, _DIM, _THEMES, start))
    queries = np.concatenate(
        [like_texts(_QUERIES, _DIM, _THEMES, 1), clustered(_QUERIES, _DIM, _THEMES, photos + 3)]
    )
    selectors = [_selector(photos, share) for share in _SHARES]
    truths = [exact.search(queries, _K)[1]]
    for _, selector in selectors:
        truths.append(exact.search(queries, _K, params=faiss.SearchParameters(sel=selector))[1])
    for kind in kinds:
        began = time.perf_counter()
        faiss.omp_set_num_threads(2)
        index = kind.make(exact)
        faiss.omp_set_num_threads(1)
        built = time.perf_counter() - began
        faiss.write_index(index, str(file))
        del index
        print(f"  {kind.name}: built in {built:.0f} s, {file.stat().st_size >> 20} MiB", flush=True)
        _searched(kind, file, queries, truths, [selector for _, selector in selectors])


def _kinds(photos: int) -> Iterator[_Kind]:
    faiss = faiss_library()
    yield _Kind("exact", lambda exact: exact, lambda _, sel: faiss.SearchParameters(sel=sel), 1, 1)
    lists = lists_for(photos)
    yield _Kind(
        "ivf",
        lambda exact: _ivf(exact, lists),
        lambda nprobe, sel: faiss.SearchParametersIVF(nprobe=nprobe, sel=sel),
        *(8, lists),
    )
    for name, shape in _GRAPHS.items():
        yield _Kind(
            name,
            lambda exact, shape=shape: _hnsw(exact, *shape),  # type: ignore[misc]
            lambda ef, sel: faiss.SearchParametersHNSW(efSearch=ef, sel=sel),
            *(16, 4096),
        )


def _ivf(exact: Any, lists: int) -> Any:
    faiss = faiss_library()
    half, product = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    coarse = faiss.IndexFlatIP(_DIM)
    index = faiss.IndexIVFScalarQuantizer(coarse, _DIM, lists, half, product, False)
    step = max(1, exact.ntotal // (lists * _TAUGHT_BY))
    index.train(np.concatenate([page[::step] for page in _pages(exact)]))
    for page in _pages(exact):
        index.add(page)
    return index


def _hnsw(exact: Any, neighbours: int, candidates: int) -> Any:
    faiss = faiss_library()
    half, product = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWSQ(_DIM, half, neighbours, product)
    index.hnsw.efConstruction = candidates
    index.is_trained = True  # numbers of 16 bits need no learning
    for page in _pages(exact):
        index.add(page)
    return index


def _pages(exact: Any) -> Iterator[Vectors]:
    for start in range(0, exact.ntotal, _PAGE):
        yield exact.reconstruct_n(start, min(_PAGE, exact.ntotal - start))


def _selector(photos: int, share: float) -> tuple[NDArray[np.uint8], Any]:
    """Return a selector of a share of the photos, and the bits that it reads."""
    faiss = faiss_library()
    chosen = np.random.default_rng(0).random(photos) < share
    bits = np.packbits(chosen, bitorder="little")
    return bits, faiss.IDSelectorBitmap(photos, faiss.swig_ptr(bits))


def _searched(
    kind: _Kind, file: Path, queries: Vectors, truths: list[Any], selectors: list[Any]
) -> None:
    faiss = faiss_library()
    index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    effort = kind.first
    while True:
        effort = min(effort, kind.most)
        recalls, times = _asked(index, queries, truths[0], kind.parameters(effort, None))
        if min(recalls) >= _WANTED or effort == kind.most:
            break
        effort = math.ceil(_GROWS * effort)
    print(f"    {effort} looked at: {_told(recalls, times)}", flush=True)
    for share, selector, truth in zip(_SHARES, selectors, truths[1:], strict=True):
        found = _asked(index, queries, truth, kind.parameters(effort, selector))
        print(f"    among {share:.0%}: {_told(*found)}", flush=True)
    del index
    print(f"    cold, mean: {_cold(kind, file, queries, effort):.1f} ms", flush=True)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        own = other.submit(_own_memory, file, queries).result()
    print(f"    memory of its own, mapped: {own:.0f} MiB", flush=True)


def _own_memory(file: Path, queries: Vectors) -> float:
    """Open the file in a process that did nothing else; return its memory for that, in MiB."""
    faiss = faiss_library()
    before = anonymous_mib(os.getpid())
    index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    index.search(queries, _K)
    return anonymous_mib(os.getpid()) - before


def _asked(index: Any, queries: Vectors, truth: Any, parameters: Any) -> tuple[Any, list[float]]:
    """Return the recall of texts and that of pictures, and milliseconds of each search."""
    shares, times = [], []
    for row, wanted in zip(queries, truth, strict=True):
        began = time.perf_counter()
        _, found = index.search(row[None], _K, params=parameters)
        times.append(1000 * (time.perf_counter() - began))
        shares.append(np.isin(wanted, found[0]).mean())
    return (np.mean(shares[:_QUERIES]), np.mean(shares[_QUERIES:])), times


def _told(recalls: Any, times: list[float]) -> str:
    late = sorted(times)[int(0.95 * len(times))]
    texts, pictures = recalls
    return (
        f"recall of texts {texts:.3f}, of pictures {pictures:.3f};"
        f" p50 {statistics.median(times):.2f}, p95 {late:.2f} ms"
    )


def _cold(kind: _Kind, file: Path, queries: Vectors, effort: int) -> float:
    """Have the system forget the file, and search it."""
    faiss = faiss_library()
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
    began = time.perf_counter()
    for row in queries[:_COLD]:
        index.search(row[None], _K, params=kind.parameters(effort, None))
    return 1000 * (time.perf_counter() - began) / _COLD


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, sys.argv[2:])
