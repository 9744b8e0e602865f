"""What a search among some of the photos costs, against one among all.

`python -m bench.selection [PHOTOS]`: a million unless given, of 512 random numbers each.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from clipd.photo import Vectors
from clipd.store.index import IndexKind, VectorIndex

_DIM = 512
_PAGE = 50_000
_TRIES = 7
_SHARES = (0.001, 0.01, 0.1, 0.25, 0.3, 0.5, 0.9)
_KINDS: tuple[IndexKind, ...] = ("fp16", "flat")


def main() -> int:
    """Print a line for each kind of index and each share of the photos."""
    photos = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for kind in _KINDS:
        selection(kind, photos)
    return 0


def selection(kind: IndexKind, photos: int) -> None:
    """Search among a share of all photos, against a search among all beside it."""
    random = np.random.default_rng(0)
    index = VectorIndex(_DIM, kind)
    for first in range(1, photos + 1, _PAGE):
        ids = np.arange(first, min(first + _PAGE, photos + 1))
        index.replace(ids[:0], ids, _unit(random, len(ids)))
    query = _unit(random, 1)[0]
    for share in _SHARES:
        some = np.sort(random.choice(photos, max(1, int(photos * share)), replace=False)) + 1
        whole = _milliseconds(lambda: index.search(query, 20))
        among = _milliseconds(lambda some=some: index.search(query, 20, some))  # type: ignore[misc]
        print(f"{kind} {share:6.1%} {among:6.1f} ms, all {whole:6.1f} ms: {among / whole:.2f}")


def _unit(random: np.random.Generator, count: int) -> Vectors:
    rows = random.standard_normal((count, _DIM), dtype=np.float32)
    unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _milliseconds(work: Callable[[], object]) -> float:
    took = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


if __name__ == "__main__":
    sys.exit(main())
