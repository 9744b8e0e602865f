"""The thread that keeps the backlog true: full scans, timers, the states of the roots."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipd.config.options import WatchConfig
from clipd.errors import WatchError
from clipd.watch.backlog import Backlog
from clipd.watch.coverage import watch_limit
from clipd.watch.events import Events
from clipd.watch.filesystems import mounts_of
from clipd.watch.full_scan import Findings, Patrol
from clipd.watch.listing import folder_trouble
from clipd.watch.mailbox import Bell, Stopped
from clipd.watch.overflow import LostEvents
from clipd.watch.root import Root, RootChange
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules
from clipd.watch.suspend import SleepClock

if TYPE_CHECKING:
    from clipd.store.reader import CatalogReader

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0  # between looks at the roots, each a few stats
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class WatchState:
    """How the watching goes. ``scanned_at``: the end of the last scan, seconds since the epoch."""

    watches: int
    limit: int
    scanned_at: float | None
    problems: tuple[str, ...]


@dataclass(slots=True)
class _ScanPlan:
    """When a root is scanned next, and what the last scan found."""

    is_due: bool = True
    rearm: bool = True
    next_scan: float = 0.0  # on the monotonic clock
    mounts: frozenset[int] = frozenset()
    trouble: str = ""
    unreadable: tuple[bytes, ...] = ()
    problems: tuple[str, ...] = ()


class Watcher:
    """Watches the roots; made by ``watching``, which runs it in a thread.

    ``rescan``, ``state``, ``is_scanning`` and ``stop`` are for any thread. The fields
    that they share with the watcher's are guarded by ``_lock``.
    """

    def __init__(
        self,
        config: WatchConfig,
        roots: Roots,
        rules: Rules,
        backlog: Backlog,
        reader: CatalogReader,
        on_root_change: Callable[[RootChange], None],
    ) -> None:
        self._config = config
        self._roots = roots
        self._backlog = backlog
        self._on_root_change = on_root_change
        self._bell = Bell()
        self._events = Events(backlog, roots, self._bell.nudge)
        self._patrol = Patrol(reader, rules, backlog, self._events, self._bell.pause)
        self._clock = SleepClock()
        self._lost = LostEvents()
        self._lock = threading.Lock()
        self._events_trouble = ""
        self._plans: dict[int, _ScanPlan] = {}
        self._watches = 0
        self._scanned_at: float | None = None

    @property
    def is_scanning(self) -> bool:
        """Whether a full scan runs or is about to."""
        return self._bell.is_busy

    def state(self) -> WatchState:
        """Return how the watching goes."""
        with self._lock:
            problems = [self._events_trouble] if self._events_trouble else []
            for plan in self._plans.values():
                problems += plan.problems
            shown = tuple(problems[:_MAX_PROBLEMS])
            return WatchState(self._watches, watch_limit(), self._scanned_at, shown)

    def rescan(self, path: bytes | None) -> None:
        """Scan everything, or what lies at a path, because the user asks for it.

        Naming a root says as well that what lies there now is meant, should it be empty.

        Raises:
            WatchError: the path lies in no root.
        """
        root = self._roots.of(path) if path is not None else None
        if path is None:
            self._bell.wish(self._plan_all)
        elif root is None:
            raise WatchError(
                f"cannot scan {os.fsdecode(path)}: it lies in no watched folder; "
                f"`clipctl status` shows those that are"
            )
        elif path == root.path:
            self._roots.accept_empty(root.id)
            self._bell.wish(lambda: self._plan(root))
        elif os.path.isfile(path):
            self._backlog.hint(path, closed=True)
        else:
            self._backlog.folder(path, deep=True)

    def stop(self) -> None:
        """Make ``run`` return soon."""
        self._bell.stop()

    def run(self) -> None:
        """Watch until stopped. Everything below is for the thread that runs this."""
        self._backlog.bound_to([root.path for root in self._roots])
        try:
            self._open_events()
            while True:
                for wish in self._bell.take_wishes():
                    wish()
                self._look_around()
                self._scan_due()
                self._bell.rest(CHECK_SECONDS, is_busy=self._lost.is_waiting)
        except Stopped:
            log.debug("stopped watching")
        finally:
            self._events.stop()

    def _look_around(self) -> None:
        """Find out what has to be scanned, and why."""
        for change in self._roots.check():
            self._take_change(change)
        if self._clock.has_slept():
            log.info("the machine was suspended; scanning everything")
            self._plan_all()
        if not self._events.is_alive():
            self._open_events()
        if self._events.take_lost():
            self._lost.happened()
        if self._lost.is_due():
            self._plan_all()
        relinked = self._events.take_relinked()
        for root in self._roots:
            if root.id in relinked:
                self._plan(root)
            self._look_at(root)

    def _take_change(self, change: RootChange) -> None:
        path = os.fsdecode(change.root.path)
        if change.now.state == "offline":
            log.warning("%s is offline: %s", path, change.now.reason)
        elif change.before is None or change.before.state == "offline":
            log.info("%s is online", path)
            self._plan(change.root, rearm=True)
        elif change.identity is not None:
            self._plan(change.root, rearm=True)
        self._on_root_change(change)

    def _look_at(self, root: Root) -> None:
        if self._is_offline(root):
            self._disarm(root)
            return
        plan = self._plan_of(root)
        mounts = mounts_of(root.path)
        if mounts != plan.mounts or not (plan.trouble or self._events.is_armed(root)):
            plan.mounts = mounts
            self._plan(root, rearm=True)
        if any(folder_trouble(folder) is None for folder in plan.unreadable):
            self._plan(root)
        if time.monotonic() >= plan.next_scan:
            self._plan(root)

    def _scan_due(self) -> None:
        for root in self._roots:
            plan = self._plan_of(root)
            if plan.is_due and not self._is_offline(root):
                self._scan(root, plan)

    def _scan(self, root: Root, plan: _ScanPlan) -> None:
        plan.is_due = False
        started = time.monotonic()
        found = self._patrol.scan(root, rearm=plan.rearm)
        plan.rearm = False
        every = self._config.poll_every if found.trouble else self._config.scan_every
        plan.next_scan = time.monotonic() + every
        self._lost.scan_took(time.monotonic() - started)
        self._tell(root, plan, found)
        with self._lock:
            self._watches = found.watches
            self._scanned_at = time.time()
            plan.trouble, plan.unreadable = found.trouble, tuple(found.unreadable)
            plan.problems = tuple(_problems(root, found))

    def _tell(self, root: Root, plan: _ScanPlan, found: Findings) -> None:
        path, every = os.fsdecode(root.path), self._config.poll_every
        reason = f"{found.trouble}; scanned every {every:g} s instead" if found.trouble else ""
        if found.trouble and found.trouble != plan.trouble:
            log.warning("not every change in %s is noticed at once: %s", path, reason)
        self._roots.degrade(root.id, reason)
        unreadable = set(found.unreadable).difference(plan.unreadable)
        if unreadable:
            first = os.fsdecode(min(unreadable))
            log.warning("%d folders in %s cannot be read: %s", len(unreadable), path, first)

    def _open_events(self) -> None:
        self._events.stop()
        try:
            self._events.start()
        except WatchError as error:
            if not self._events_trouble:
                log.warning("%s; folders are scanned on a timer instead", error)
            self._events_trouble = str(error)
        else:
            self._events_trouble = ""
            for root in self._roots:
                self._plan(root, rearm=True)

    def _disarm(self, root: Root) -> None:
        for folder in self._events.armed_folders(root):
            self._events.disarm(root, folder)

    def _is_offline(self, root: Root) -> bool:
        return self._roots.state(root.id).state == "offline"

    def _plan_of(self, root: Root) -> _ScanPlan:
        with self._lock:
            return self._plans.setdefault(root.id, _ScanPlan())

    def _plan(self, root: Root, *, rearm: bool = False) -> None:
        plan = self._plan_of(root)
        self._bell.busy()
        plan.is_due = True
        plan.rearm = plan.rearm or rearm

    def _plan_all(self) -> None:
        for root in self._roots:
            self._plan(root)


def _problems(root: Root, found: Findings) -> Iterator[str]:
    if found.trouble:
        yield f"{os.fsdecode(root.path)}: {found.trouble}"
    for folder, why in found.unreadable.items():
        yield f"{os.fsdecode(folder)}: cannot be read: {why}"


@contextmanager
def watching(
    config: WatchConfig,
    roots: Roots,
    rules: Rules,
    backlog: Backlog,
    reader: CatalogReader,
    on_root_change: Callable[[RootChange], None],
) -> Iterator[Watcher]:
    """Fill the backlog from a thread while the block runs.

    Args:
        config: the timers.
        roots: what is watched.
        rules: what is ignored below it.
        backlog: where changes go.
        reader: of the catalog.
        on_root_change: called on the watcher's thread; must not raise.
    """
    watcher = Watcher(config, roots, rules, backlog, reader, on_root_change)
    thread = threading.Thread(target=watcher.run, name="clipd-watch")
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()
        thread.join()
