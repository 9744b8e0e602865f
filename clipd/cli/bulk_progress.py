"""How far a bulk run is: a line that changes on a terminal, a line for every part in a log."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from clipd.ctl.output import say

if TYPE_CHECKING:
    from clipd.bulk.bulk_run import BulkProgress

_MINUTE, _HOUR = 60, 3600


class BulkDisplay:
    """Shows progress on a stream. For one thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_live = stream.isatty() and not os.environ.get("NO_COLOR")

    def show(self, progress: BulkProgress) -> None:
        """Show how far it is."""
        if self._is_live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{sentence(progress)[:width]}")
            self._stream.flush()
        elif progress.new_part:
            print(f"{progress.new_part}: {sentence(progress)}", file=self._stream, flush=True)

    def say(self, text: str) -> None:
        """Say a sentence that stays."""
        self.clear()
        say(text, "clipd")

    def clear(self) -> None:
        """Take the line away."""
        if self._is_live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def sentence(progress: BulkProgress) -> str:
    """Return one line that tells how far a run is."""
    if not progress.devices and not progress.actors:
        return f"starting the encoders; {progress.known:,} done before"
    of_all = "" if progress.total is None else f" of {progress.total - progress.known:,}"
    words = [f"{progress.encoded:,}{of_all} encoded"]
    if progress.refused:
        words.append(f"{progress.refused:,} refused")
    words.append(f"{progress.rate:,.1f}/s")
    if progress.seconds_left is not None:
        words.append(f"{_span(progress.seconds_left)} left")
    words.append(f"{progress.actors} at work" + f", {progress.lost} lost" * bool(progress.lost))
    return ", ".join(words)


@contextmanager
def showing_bulk_progress(stream: TextIO) -> Iterator[BulkDisplay]:
    """Show progress for the length of the block."""
    display = BulkDisplay(stream)
    try:
        yield display
    finally:
        display.clear()


def _span(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
