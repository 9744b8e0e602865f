"""A backup of the catalog, made beside the indexer's work: of a million photos it takes a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from clipd.errors import CheckStoppedError
from clipd.store.pace import Pace


class BackupRun:
    """At most one backup at a time; for one thread.

    Args:
        back_up: writes a copy of the catalog at a pace.
    """

    def __init__(self, back_up: Callable[[Pace], object]) -> None:
        self._back_up = back_up
        self._pace = Pace()
        self._thread: threading.Thread | None = None
        self._outcome: Future[None] = Future()

    @property
    def is_running(self) -> bool:
        """Whether a backup was begun whose outcome nobody has taken."""
        return self._thread is not None

    def begin(self) -> None:
        """Start a backup."""
        self._outcome = Future()
        self._thread = threading.Thread(target=self._run, name="clipd-backup")
        self._thread.start()

    def take_outcome(self) -> bool:
        """Tell whether the backup that was begun is done.

        Raises:
            StoreUnavailableError: there was no room for it.
        """
        if self._thread is None or not self._outcome.done():
            return False
        self._thread.join()
        self._thread = None
        self._outcome.result()
        return True

    def stop(self) -> None:
        """End a backup at once, if one is being made; the one before stands."""
        self._pace.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        try:
            self._back_up(self._pace)
        except CheckStoppedError:
            self._outcome.set_result(None)  # nobody waits for it
        except BaseException as error:  # handed to the thread that asked for it
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(None)
