"""The calls to one encoder: how many are under way, and for how long there was none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clipd.encode.encoder_child import LOOK_SECONDS


class Calls:
    """Counts calls, and has those that give way wait; true while one is under way.

    Thread-safe.
    """

    def __init__(self, changed: threading.Condition) -> None:
        """Count none yet.

        Args:
            changed: guards this and whatever its owner decides by it; told of each change.
        """
        self._changed = changed
        self._count = 0
        self._ended_at = 0.0  # the last, time.monotonic()
        self._is_barred = False

    def __bool__(self) -> bool:
        return self._count > 0

    @contextmanager
    def calling(self, *, gives_way: bool, is_open: Callable[[], bool]) -> Iterator[None]:
        """Mark the length of a call.

        Args:
            gives_way: wait while calls of this kind are barred.
            is_open: when it says no, there is nothing to wait for.
        """
        with self._changed:
            if gives_way:
                self._changed.wait_for(lambda: not self._is_barred or not is_open())
            self._count += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._count -= 1
                self._ended_at = time.monotonic()
                self._changed.notify_all()

    @contextmanager
    def barred(self) -> Iterator[None]:
        """Let no call begin that gives way."""
        with self._changed:
            self._is_barred = True
        try:
            yield
        finally:
            with self._changed:
                self._is_barred = False
                self._changed.notify_all()

    def idle_seconds(self) -> float:
        """Return for how long there was none."""
        with self._changed:
            return 0.0 if self._count else time.monotonic() - self._ended_at

    def wait_for_lull(
        self, lull_seconds: float, most_seconds: float, is_worth_it: Callable[[], bool]
    ) -> None:
        """Wait until there was no call for a while, or for as long as that is worth it."""
        ends = time.monotonic() + most_seconds
        with self._changed:
            while is_worth_it() and time.monotonic() < ends:
                if self.idle_seconds() > lull_seconds:
                    return
                self._changed.wait(LOOK_SECONDS)
