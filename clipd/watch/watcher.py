"""Watching all roots: a thread for each, and one that sees which of them have fallen silent."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from clipd.config.options import WatchConfig
from clipd.errors import WatchError
from clipd.watch.backlog import Backlog
from clipd.watch.coverage import watch_limit
from clipd.watch.library import PhotoLibrary
from clipd.watch.root import RootChange
from clipd.watch.root_watcher import RootWatcher

log = logging.getLogger(__name__)

LISTEN_SECONDS = 2.0  # between two looks at the pulses of the roots
# For the scans of all roots together to come to their next folder; a stop has ten seconds in all,
# and photos in work take up to four of them.
_END_SECONDS = 2.0
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class WatchState:
    """How the watching goes. ``scanned_at``: the end of the last scan, seconds since the epoch."""

    watches: int
    limit: int
    scanned_at: float | None
    problems: tuple[str, ...]


class Watcher:
    """Watches the roots; made by ``watching``. Its methods are for any thread.

    Args:
        config: the timers.
        library: where everything is.
        backlog: where changes go.
        on_root_change: called on the threads of the roots and on this one's; must not raise.
    """

    def __init__(
        self,
        config: WatchConfig,
        library: PhotoLibrary,
        backlog: Backlog,
        on_root_change: Callable[[RootChange], None],
    ) -> None:
        self._roots = library.roots
        self._backlog = backlog
        self._on_root_change = on_root_change
        self._watchers = {
            root.id: RootWatcher(root, library, config, backlog, on_root_change)
            for root in library.roots
        }
        self._must_stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="clipd-watch")
        self._beat = time.monotonic()

    @property
    def is_scanning(self) -> bool:
        """Whether a full scan runs or is about to; a stalled root is not waited for."""
        return any(
            each.is_busy and not self._roots.is_stalled(each.root)
            for each in self._watchers.values()
        )

    @property
    def beat(self) -> float:
        """When the thread that touches no disk was last seen at work, on the monotonic clock."""
        return self._beat

    def state(self) -> WatchState:
        """Return how the watching goes."""
        reports = [each.report() for each in self._watchers.values()]
        scanned = [report for report in reports if report.scanned_at is not None]
        latest = max(scanned, key=lambda report: report.scanned_at or 0, default=None)
        problems = (problem for each in self._watchers.values() for problem in each.problems())
        return WatchState(
            watches=latest.watches if latest else 0,
            limit=watch_limit(),
            scanned_at=latest.scanned_at if latest else None,
            problems=tuple(dict.fromkeys(islice(problems, _MAX_PROBLEMS))),
        )

    def rescan(self, path: bytes | None) -> None:
        """Scan everything, or what lies at a path, because the user asks for it.

        Naming a root says as well that what lies there now is meant, should it be empty.

        Raises:
            WatchError: the path lies in no root.
        """
        if path is None:
            for each in self._watchers.values():
                each.request_scan()
            return
        root = self._roots.of(path)
        if root is None:
            raise WatchError(
                f"cannot scan {os.fsdecode(path)}: it lies in no watched folder; "
                f"`clipctl status` shows those that are"
            )
        if path == root.path:
            self._roots.accept_empty(root.id)
            self._watchers[root.id].request_scan()
        else:
            self._roots.volumes(root).give_up(path)
            # Of the two, what the path is not finds nothing. To see which it is, this thread, which
            # answers a request, would have to wait for a disk.
            self._backlog.hint(path, closed=True)
            self._backlog.folder(path, deep=True)

    def start(self) -> None:
        """Start the threads."""
        self._backlog.bound_to([root.path for root in self._roots])
        self._thread.start()
        for each in self._watchers.values():
            each.start()

    def stop(self) -> None:
        """End the threads; those that wait for a disk that does not answer are left behind."""
        self._must_stop.set()
        for each in self._watchers.values():
            each.stop()
        deadline = time.monotonic() + _END_SECONDS
        for each in self._watchers.values():
            each.join(deadline - time.monotonic())
        self._thread.join()

    def _listen(self) -> None:
        """Tell of roots that have fallen silent: their own threads cannot."""
        while not self._must_stop.wait(LISTEN_SECONDS):
            self._beat = time.monotonic()
            for root in self._roots:
                change = self._roots.note_stall(root)
                if change is not None:
                    path, reason = os.fsdecode(root.path), change.now.reason
                    log.warning("%s is stalled: %s; all other folders go on", path, reason)
                    self._on_root_change(change)


@contextmanager
def watching(
    config: WatchConfig,
    library: PhotoLibrary,
    backlog: Backlog,
    on_root_change: Callable[[RootChange], None],
) -> Iterator[Watcher]:
    """Fill the backlog from threads while the block runs.

    Args:
        config: the timers.
        library: where everything is.
        backlog: where changes go.
        on_root_change: called on several threads; must not raise.
    """
    watcher = Watcher(config, library, backlog, on_root_change)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop()
