"""How other threads reach the watcher's: wishes, a nudge, the order to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stopped(Exception):  # noqa: N818
    """The watcher was told to stop."""


class Bell:
    """Wakes one waiting thread. Its condition guards every field."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._wishes: list[Callable[[], None]] = []
        self._is_nudged = False
        self._is_stopping = False
        self._is_busy = True

    @property
    def is_busy(self) -> bool:
        """Whether there is something to do, or it is being done."""
        with self._rung:
            return self._is_busy or bool(self._wishes)

    def wish(self, wish: Callable[[], None]) -> None:
        """Have something done by the thread, soon."""
        with self._rung:
            self._wishes.append(wish)
            self._rung.notify_all()

    def nudge(self) -> None:
        """Make the thread look around."""
        with self._rung:
            self._is_nudged = True
            self._rung.notify_all()

    def stop(self) -> None:
        """Make the thread's next ``rest`` or ``pause``, or the present one, raise ``Stopped``."""
        with self._rung:
            self._is_stopping = True
            self._rung.notify_all()

    # For the thread itself.

    def busy(self) -> None:
        """Say that there is something to do."""
        with self._rung:
            self._is_busy = True

    def take_wishes(self) -> list[Callable[[], None]]:
        """Return what other threads want done, in order."""
        with self._rung:
            wishes, self._wishes = self._wishes, []
            self._is_busy = self._is_busy or bool(wishes)
            return wishes

    def rest(self, seconds: float, *, is_busy: bool = False) -> None:
        """Wait until somebody wants something, or the time is up.

        Args:
            seconds: how long at most.
            is_busy: there is something left to do, only not now.
        """
        with self._rung:
            self._is_busy = is_busy
            self._rung.wait_for(
                lambda: self._is_stopping or self._is_nudged or bool(self._wishes), seconds
            )
            self._is_nudged = False
            self._raise_if_stopping()

    def pause(self, seconds: float) -> None:
        """Wait, whatever anybody wants; with 0, only see whether to stop."""
        with self._rung:
            self._rung.wait_for(lambda: self._is_stopping, seconds)
            self._raise_if_stopping()

    def _raise_if_stopping(self) -> None:
        if self._is_stopping:
            raise Stopped
