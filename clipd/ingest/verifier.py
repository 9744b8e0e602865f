"""Checks on request: one at a time, on the thread ``clipd-verify``."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future

from clipd.errors import RequestError, StoppingError
from clipd.ingest.indexer import Store
from clipd.ingest.indexer_line import IndexerLine
from clipd.ingest.verification import Verification
from clipd.store.pace import Pace, StageProgress
from clipd.store.verify import CheckScope, Verdict
from clipd.watch.library import PhotoLibrary

_log = logging.getLogger(__name__)
_END_SECONDS = 5.0  # for a check to notice that it is to end


class Check:
    """A check under way; any thread may follow it, or end it."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.verdict: Future[Verdict] = Future()

    def progress(self) -> StageProgress:
        """Tell where it stands."""
        return self.pace.progress()

    def stop(self) -> None:
        """End it; its verdict is then ``CheckStoppedError``."""
        self.pace.stop()


class Verifier:
    """Starts checks; any thread may ask. To be closed."""

    def __init__(self, store: Store, library: PhotoLibrary, indexer: IndexerLine) -> None:
        self._store = store
        self._library = library
        self._indexer = indexer
        self._lock = threading.Lock()
        self._running: tuple[Check, threading.Thread] | None = None  # guarded by _lock
        self._is_closed = False  # guarded by _lock

    def start(self, scope: CheckScope) -> Check:
        """Start a check.

        Raises:
            RequestError: another one is under way.
            StoppingError: clipd stops.
        """
        with self._lock:
            if self._is_closed:
                raise StoppingError()
            if self._running is not None and not self._running[0].verdict.done():
                stage = self._running[0].progress().stage
                raise RequestError(
                    "busy", f"another check is under way ({stage}); try again when it is done", 503
                )
            check = Check()
            # A daemon thread: a disk that never answers must not hold up the end of the process.
            thread = threading.Thread(
                target=self._run, args=(check, scope), name="clipd-verify", daemon=True
            )
            self._running = check, thread
            thread.start()
            return check

    def close(self) -> None:
        """End the check that is under way, and start no more."""
        with self._lock:
            self._is_closed = True
            running = self._running
        if running is not None:
            check, thread = running
            check.stop()
            thread.join(_END_SECONDS)
            if thread.is_alive():
                _log.warning("a check waits for a disk that does not answer; it is left behind")

    def _run(self, check: Check, scope: CheckScope) -> None:
        check.verdict.set_running_or_notify_cancel()
        verification = Verification(scope, self._store, self._library, self._indexer, check.pace)
        _log.info("a check begins: %s", scope)
        try:
            verdict = verification.run()
        except BaseException as error:  # handed on to whoever waits for the verdict
            _log.info("a check ended early: %s", error)
            check.verdict.set_exception(error)
        else:
            found = "; ".join(one.sentence for one in verdict.differences)
            _log.info("a check found: %s", found or "all agrees")
            check.verdict.set_result(verdict)
