"""The decoders by themselves: photos per second when nothing is made of their pixels."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from clipd.config.options import DecoderConfig
from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.photo import Decoded, Preprocess, Refused
from clipd.process.spawner import spawning

_WARM_UP = 2  # photos a decoder, while the others start


def decode_rate(photos: Sequence[Path], processes: int, preprocess: Preprocess) -> float:
    """Return photos per second of so many decoders at once, once they have started."""
    done = threading.Semaphore(0)

    def report(job: DecodeJob, outcome: Decoded | Refused) -> None:
        assert isinstance(outcome, Decoded), outcome
        done.release()

    config = DecoderConfig(processes=processes)
    with spawning(), DecoderPool(config, preprocess, lambda _: False, report) as pool:
        for ticket, photo in enumerate(photos):
            pool.submit(DecodeJob(ticket, os.fsencode(photo)))
        for _ in range(_WARM_UP * processes):
            done.acquire()
        began = time.perf_counter()
        rest = len(photos) - _WARM_UP * processes
        for _ in range(rest):
            done.acquire()
        return rest / (time.perf_counter() - began)
