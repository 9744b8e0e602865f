"""Some of the user's own pictures, to prove a precision on."""

from __future__ import annotations

import threading

import numpy as np

from clipd.photo import Pixels

SIZE = 64  # pictures; 12 MB at 256 pixels a side
_SHARE = 4  # of one batch, so that they come from many


class Sample:
    """Collects pictures as they pass, until there are enough. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._parts: list[Pixels] = []
        self._count = 0

    def offer(self, pixels: Pixels) -> None:
        """Keep a few of these pictures, if some are still wanted."""
        with self._lock:
            some = pixels[:: max(1, len(pixels) // _SHARE)][: min(_SHARE, SIZE - self._count)]
            if len(some):
                self._parts.append(some.copy())
                self._count += len(some)

    def whole(self) -> Pixels | None:
        """Return the pictures; None while there are too few."""
        with self._lock:
            return np.concatenate(self._parts) if self._count == SIZE else None

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._parts, self._count = [], 0
