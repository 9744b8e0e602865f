"""How other threads reach the one that watches a root: requests, a nudge, the order to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stopped(Exception):  # noqa: N818
    """The thread was told to stop."""


class Mailbox:
    """Wakes one waiting thread. Its condition guards every field."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._requests: list[Callable[[], None]] = []
        self._is_nudged = False
        self._is_stopping = False
        self._is_busy = True

    @property
    def is_busy(self) -> bool:
        """Whether there is something to do, or it is being done."""
        with self._arrived:
            return self._is_busy or bool(self._requests)

    def request(self, work: Callable[[], None]) -> None:
        """Have something done by the thread, soon."""
        with self._arrived:
            self._requests.append(work)
            self._arrived.notify_all()

    def nudge(self) -> None:
        """Make the thread look around."""
        with self._arrived:
            self._is_nudged = True
            self._arrived.notify_all()

    def stop(self) -> None:
        """Make the thread's next ``rest`` or ``pause``, or the present one, raise ``Stopped``."""
        with self._arrived:
            self._is_stopping = True
            self._arrived.notify_all()

    # For the thread itself.

    def note_work(self) -> None:
        """Say that there is something to do."""
        with self._arrived:
            self._is_busy = True

    def take_requests(self) -> list[Callable[[], None]]:
        """Return what other threads want done, in order."""
        with self._arrived:
            requests, self._requests = self._requests, []
            self._is_busy = self._is_busy or bool(requests)
            return requests

    def rest(self, seconds: float, is_busy: bool = False) -> None:
        """Wait until somebody wants something, or the time is up.

        Args:
            seconds: how long at most.
            is_busy: there is something left to do, only not now.
        """
        with self._arrived:
            self._is_busy = is_busy
            self._arrived.wait_for(
                lambda: self._is_stopping or self._is_nudged or bool(self._requests), seconds
            )
            self._is_nudged = False
            self._raise_if_stopping()

    def pause(self, seconds: float) -> None:
        """Wait, whatever anybody wants; with 0, only see whether to stop."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._is_stopping, seconds)
            self._raise_if_stopping()

    def _raise_if_stopping(self) -> None:
        if self._is_stopping:
            raise Stopped
