"""Many photos on the disk, 8 bits for a number: `python -m bench.ten_million [PHOTOS [FOLDER]]`.

Vectors of 512 numbers in themes, drawn piece by piece and never all in memory. The index is
written, checked, mapped and searched by clipd, as an index of lists. What is not clipd's is how
lists are learnt and filled: clipd keeps 16 bits for a number, and compares with the centres of all
lists as they are; here only the 128 directions in which vectors differ most count for that.
A folder that is named is kept, and what lies in it already is only measured.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.inputs import clustered, like_texts
from bench.mapped_index import K
from clipd.photo import Ids, Vectors
from clipd.store.index_builder import Built, lists_for
from clipd.store.index_faiss import faiss_library
from clipd.store.snapshot import Identity, SnapshotFolder

_DIM = 512
_THEMES = 10_000
_PIECE = 10_000  # 20 MB, and twice that while it is drawn
_AHEAD = 4  # pieces that are drawn while one is put away
_COMPARED = 1000  # vectors at a time with all centres
_DIRECTIONS = 128  # that tell which list is the nearest
_TAUGHT_BY = 16  # vectors for each list
_ROUNDS = 4  # of learning
_QUERIES = 100  # of texts, and as many of pictures
_KINDS = {"texts": slice(0, _QUERIES), "pictures": slice(_QUERIES, 2 * _QUERIES)}
_BEST = 10
_WANTED = 0.95
_FIRST_PROBES = 16
_GROWS = 1.2
_CORES = 2
_TURNS = 5
_IDENTITY = Identity("bench", "bench", "fp16", _DIM)


def main(photos: int, folder: Path) -> None:
    """Build, and print what a start and a search cost."""
    rows, best = folder / "queries.npy", folder / "best.npy"
    if not best.exists():
        queries = np.concatenate(
            [like_texts(_QUERIES, _DIM, _THEMES, 1), clustered(_QUERIES, _DIM, _THEMES, photos + 3)]
        )
        truth = _build(photos, folder, queries)
        np.save(rows, queries)
        np.save(best, truth)
    _measure(folder, rows, np.load(best))


def _build(photos: int, folder: Path, queries: Vectors) -> Ids:
    """Write the index; return the best for each query, exactly."""
    faiss_library().omp_set_num_threads(_CORES)
    began = time.perf_counter()
    index = _taught(lists_for(photos))
    _say(f"{index.nlist} lists learnt", _since(began))
    truth = _fill(index, photos, queries)
    _say("photos drawn, compared with queries, put into lists", f"{_since(began)} in all")
    nprobe, recall = _probes(index, queries, truth)
    _say("lists read", f"{nprobe}, for a recall of {recall:.3f}")
    built = Built(index, np.arange(photos), 1, nprobe, recall, photos)
    snap = SnapshotFolder(folder, _IDENTITY).save(built)
    _say("written", f"{snap.size_bytes / 1e9:.2f} GB, {_since(began)} in all")
    return truth


def _taught(lists: int) -> Any:
    """Return an empty index of lists that it has learnt."""
    faiss = faiss_library()
    sample = np.concatenate([piece for _, piece in _pieces(lists * _TAUGHT_BY)])
    directions = _directions(sample)
    centres = sample[:lists].copy()
    for _ in range(_ROUNDS):
        sums = torch.zeros(lists, _DIM)
        lists_of = torch.from_numpy(_nearest(sample, centres, directions))
        sums.index_add_(0, lists_of, torch.from_numpy(sample))
        lengths = torch.linalg.vector_norm(sums, dim=1)
        means = (sums / lengths.clamp(min=1e-6)[:, None]).numpy()
        centres = np.where(lengths.numpy()[:, None] > 0, means, centres)
    coarse = faiss.IndexFlatIP(_DIM)
    coarse.add(centres)
    bits, by_product = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFScalarQuantizer(coarse, _DIM, lists, bits, by_product, False)
    index.train(sample)  # no centres, as they are there: of each number the least and the most
    return index


def _directions(rows: Vectors) -> Vectors:
    """Return the directions in which most of the rows lies, as columns."""
    _, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors[:, -_DIRECTIONS:]


def _nearest(rows: Vectors, centres: Vectors, directions: Vectors) -> NDArray[np.int64]:
    """Return the nearest centre of each row, or one nearly as near: bfloat16 is quick."""
    wide = torch.from_numpy(centres @ directions).bfloat16().T
    narrow = torch.from_numpy(rows @ directions).bfloat16()
    starts = range(0, len(rows), _COMPARED)
    found = [(narrow[start : start + _COMPARED] @ wide).argmax(1) for start in starts]
    nearest: NDArray[np.int64] = torch.cat(found).numpy()
    return nearest


def _fill(index: Any, photos: int, queries: Vectors) -> Ids:
    """Put all vectors into the nearest lists; return the best of them for each query, exactly."""
    faiss = faiss_library()
    centres = index.quantizer.reconstruct_n(0, index.nlist)
    directions = _directions(centres)
    scores = np.full((len(queries), _BEST), -2, np.float32)
    best = np.full((len(queries), _BEST), -1, np.int64)
    for start, piece in _pieces(photos):
        lists = _nearest(piece, centres, directions)
        index.add_core(len(piece), faiss.swig_ptr(piece), None, faiss.swig_ptr(lists))
        products = queries @ piece.T
        some = np.argpartition(-products, _BEST, axis=1)[:, :_BEST]
        scores = np.hstack([scores, np.take_along_axis(products, some, axis=1)])
        best = np.hstack([best, some + start])
        kept = np.argsort(-scores, axis=1)[:, :_BEST]
        scores = np.take_along_axis(scores, kept, axis=1)
        best = np.take_along_axis(best, kept, axis=1)
        if start % 500_000 == 0:
            _say("  at", f"{start:,}")
    return best


def _pieces(photos: int) -> Iterator[tuple[int, Vectors]]:
    """Draw vectors, a few pieces ahead of whoever takes them."""
    starts = list(range(0, photos, _PIECE))
    with ThreadPoolExecutor(1) as thread:
        drawn = [thread.submit(_drawn, start, photos) for start in starts[:_AHEAD]]
        for number, start in enumerate(starts):
            if number + _AHEAD < len(starts):
                drawn.append(thread.submit(_drawn, starts[number + _AHEAD], photos))
            yield start, drawn.pop(0).result()


def _drawn(start: int, photos: int) -> Vectors:
    return clustered(min(_PIECE, photos - start), _DIM, _THEMES, start)


def _probes(index: Any, queries: Vectors, truth: Ids) -> tuple[int, float]:
    """Return how many lists to read for the recall that is wanted, and the recall."""
    faiss = faiss_library()
    nprobe = _FIRST_PROBES
    while True:
        nprobe = min(nprobe, index.nlist)
        options = faiss.SearchParametersIVF(nprobe=nprobe)
        _, found = index.search(queries, _BEST, params=options)
        recall = min(_recall(found[part], truth[part]) for part in _KINDS.values())
        if recall >= _WANTED or nprobe == index.nlist:
            return nprobe, recall
        nprobe = math.ceil(_GROWS * nprobe)


def _recall(found: Any, truth: Ids) -> float:
    pairs = zip(found, truth, strict=True)
    return float(np.mean([np.isin(wanted, row[:_BEST]).mean() for row, wanted in pairs]))


def _measure(folder: Path, rows: Path, truth: Ids) -> None:
    command = [sys.executable, "-m", "bench.mapped_index", str(folder)]
    command.append(json.dumps(dataclasses.asdict(_IDENTITY)))
    for _ in range(_TURNS):
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            parts = json.loads(child.stdout.readline())
            _say("start to first answer", f"{_since(began)}; {_shown(parts)}")
            answer, _ = child.communicate(f"{rows}\n")
        told = json.loads(answer)
        for kind, part in _KINDS.items():
            took = sorted(told["took_ms"][part])
            middle, late = statistics.median(took), took[int(0.95 * len(took))]
            found = f"recall {_recall(told['found'][part], truth[part]):.3f}"
            _say(f"search of {kind}, k = {K}, p50, p95", f"{middle:.1f}, {late:.1f} ms; {found}")
        memory = f"{told['anonymous_mib']:.0f} MiB; resident {told['resident_mib']:.0f} MiB"
        _say("memory of its own", memory)


def _shown(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.2f} s" for name, seconds in parts.items())


def _since(began: float) -> str:
    return f"{time.perf_counter() - began:.2f} s"


def _say(what: str, figure: str) -> None:
    print(f"  {what:<52} {figure}", flush=True)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    if len(sys.argv) > 2:
        main(number, Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
            main(number, Path(name))
