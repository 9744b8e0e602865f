"""A progress line on a terminal; silence anywhere else."""

from __future__ import annotations

import os
import time
from typing import TextIO

_EVERY_SECONDS = 0.1


class Progress:
    """Bytes done of a total, redrawn in place. For one thread at a time."""

    def __init__(self, label: str, stream: TextIO) -> None:
        self._label = label
        self._stream = stream
        self._shows = stream.isatty() and not os.environ.get("NO_COLOR")
        self._began = self._drawn = 0.0
        self._first_bytes = 0

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        """Show how far it is; a total of 0 is one that nobody knows yet."""
        now = time.monotonic()
        if not self._began:
            # What an earlier run fetched says nothing about the rate of this one.
            self._began, self._first_bytes = now, done_bytes
        is_last = done_bytes == total_bytes
        if self._shows and (is_last or now - self._drawn >= _EVERY_SECONDS):
            self._drawn = now
            self._stream.write(f"\r\x1b[K{self._line(done_bytes, total_bytes, now)}")
            self._stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self, done: int, total: int, now: float) -> str:
        if not total:
            return f"{self._label}  {done / 1e6:.0f} MB"
        filled = min(30, 30 * done // total)
        text = f"{self._label}  [{'#' * filled:.<30}] {done / 1e6:.0f} of {total / 1e6:.0f} MB"
        rate = (done - self._first_bytes) / max(now - self._began, 1e-3)
        if rate <= 0 or done >= total:
            return text
        minutes, seconds = divmod(round((total - done) / rate), 60)
        return f"{text}, {rate / 1e6:.1f} MB/s, {minutes}:{seconds:02} left"
