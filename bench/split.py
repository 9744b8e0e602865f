"""Which split of the cores among decoders and encoder is fastest: `python -m bench.split`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.cores import AS_CHOSEN, Split, daemon_rate, prepare
from bench.inputs import random_weights, twelve_megapixels

_PHOTOS = 192
_ROUNDS = 3


def main(precision: str) -> None:
    """Have the whole daemon index with every split in turn, several times over; name the best."""
    cores = len(os.sched_getaffinity(0))
    counts = sorted({max(1, cores // 2), cores, cores + 1})
    splits = [Split(decoders, threads) for decoders in counts for threads in counts]
    rates: dict[Split, list[float]] = {split: [] for split in (AS_CHOSEN, *splits)}
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
        folder = Path(name)
        weights = folder / "weights.safetensors"
        random_weights(weights)
        twelve_megapixels(folder / "photos", _PHOTOS)
        prepare(folder)
        files = sorted((folder / "photos").glob("*.jpg"))
        for _ in range(_ROUNDS):
            for split, found in rates.items():
                found.append(daemon_rate(folder, weights, files, precision, split)[1])
    _tell({split: median(found) for split, found in rates.items()})


def _tell(rates: dict[Split, float]) -> None:
    chosen = rates.pop(AS_CHOSEN)
    for split, rate in rates.items():
        print(f"{split.decoders} decoders, {split.threads} threads: {rate:.1f} photos/s")
    best = max(rates, key=lambda split: rates[split])
    print(
        f"clipd's own choice: {chosen:.1f} photos/s; the best: {best.decoders} decoders and"
        f" {best.threads} threads, {rates[best] / chosen:.2f} of it"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "auto")
