"""Start with an index that lies on the disk: `python -m bench.mapped_index FOLDER IDENTITY`.

A process of its own, so that what it takes in time and memory is the index's and nobody else's. It
waits at its standard input for a file of queries before it measures searches.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from clipd.store.index import VectorIndex
from clipd.store.snapshot import SnapshotFolder, identity_from

K = 20


def main(folder: Path, identity: str) -> None:
    """Check, map and ask; then ask each query of a file, and tell how long each took."""
    of = identity_from(json.loads(identity))
    snapshots = SnapshotFolder(folder, of)
    snap = snapshots.found()[0]
    began = time.perf_counter()
    snapshots.check_quickly(snap)
    checked = time.perf_counter()
    index = VectorIndex(of.dim, of.kind, snapshots.load(snap))
    opened = time.perf_counter()
    index.search(np.full(of.dim, of.dim**-0.5, np.float32), K)
    asked = time.perf_counter()
    _say(checked=checked - began, opened=opened - checked, asked=asked - opened)
    rows = np.load(sys.stdin.readline().strip())
    found = []
    took = []
    for row in rows:
        began = time.perf_counter()
        found.append(index.search(row, K)[0].tolist())
        took.append(1000 * (time.perf_counter() - began))
    _say(took_ms=took, found=found, anonymous_mib=_mib("Anonymous"), resident_mib=_mib("Rss"))


def _mib(word: str) -> float:
    lines = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{word}:")) / 1024


def _say(**values: object) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
