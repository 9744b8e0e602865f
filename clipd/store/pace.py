"""How far a long check is, how fast it may go, and whether it is to end."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from clipd.errors import CheckStoppedError

# A check rests as long as it has computed: what it takes from the answers and from the indexer
# stays below half a core. Time that it waits for a disk costs nobody anything.
_SLICE_SECONDS = 0.01
_LONGEST_REST_SECONDS = 0.25
# Steps of SQLite's machine between two looks at the pace: some milliseconds.
_STEPS_OF_SQLITE = 50_000


@dataclass(frozen=True, slots=True)
class StageProgress:
    """Where a check stands."""

    stage: str  # what is being checked, in words
    done: int  # of `total`; both 0 where there is nothing to count
    total: int
    seconds_left: float | None  # of this stage; None while unknown


class Pace:
    """Told by the thread of a check what it has done; any other may look, or stop it."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None  # guarded by _lock
        self._stage = ("", 0, time.monotonic())  # words, total, begun; one value, so never torn
        self._done = 0
        self._worked_until = 0.0  # of the time that the thread of the check has computed

    @property
    def is_stopped(self) -> bool:
        """Whether the check was told to end."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """End the check: its thread meets ``CheckStoppedError`` very soon. Any thread."""
        self._stopped.set()
        with self._lock:
            if self._connection is not None:
                self._connection.interrupt()

    def progress(self) -> StageProgress:
        """Tell where the check stands. Any thread."""
        words, total, begun = self._stage
        done = min(self._done, total)
        seconds = time.monotonic() - begun
        left = seconds / done * (total - done) if done and seconds > 1 else None
        return StageProgress(words, done, total, left)

    def begin(self, stage: str, total: int = 0) -> None:
        """Begin to check something else.

        Args:
            stage: in words, such as "vectors".
            total: how much there is of it, roughly; 0 where that cannot be counted.
        """
        self._done = 0
        self._worked_until = time.thread_time()
        self._stage = (stage, total, time.monotonic())
        self.advance(0)

    def advance(self, count: int, computed_seconds: float = 0.0) -> None:
        """Note that so much more is done, and rest where it is due.

        Args:
            count: of the stage's total.
            computed_seconds: what another thread has computed on the check's behalf.

        Raises:
            CheckStoppedError: the check was told to end.
        """
        self._done += count
        self._worked_until -= computed_seconds
        self._rest()
        if self._stopped.is_set():
            raise CheckStoppedError()

    def wait(self, seconds: float) -> None:
        """Wait for something else to go on.

        Raises:
            CheckStoppedError: the check was told to end.
        """
        if self._stopped.wait(seconds):
            raise CheckStoppedError()

    @contextlib.contextmanager
    def of_statements(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Keep the pace inside of long statements too, and end them when the check is to end."""
        with self._lock:
            self._connection = connection
        connection.set_progress_handler(self._keep_in_statement, _STEPS_OF_SQLITE)
        try:
            yield
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                raise CheckStoppedError() from error
            raise
        finally:
            connection.set_progress_handler(None, 0)
            with self._lock:
                self._connection = None

    def _keep_in_statement(self) -> int:
        self._rest()
        return int(self._stopped.is_set())  # anything but 0 interrupts the statement

    def _rest(self) -> None:
        worked = time.thread_time() - self._worked_until
        if worked >= _SLICE_SECONDS:
            self._stopped.wait(min(worked, _LONGEST_REST_SECONDS))
            self._worked_until = time.thread_time()
