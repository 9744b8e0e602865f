"""The thread that keeps the backlog true for one root: full scans, timers, the root's state.

A root has a thread of its own because its disk may stop answering, and whoever asks it then waits
for as long as that lasts. Nobody else touches a root's disk on a thread that others need.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from clipd.config.options import WatchConfig
from clipd.errors import StoreUnavailableError, WatchError
from clipd.watch.backlog import Backlog
from clipd.watch.events import Events
from clipd.watch.full_scan import Findings, FullScan
from clipd.watch.library import PhotoLibrary
from clipd.watch.listing import folder_trouble
from clipd.watch.mailbox import Mailbox, Stopped
from clipd.watch.new_folders import NewFolders, watch_missed
from clipd.watch.overflow import LostEvents
from clipd.watch.root import Root, RootChange, VolumeChange
from clipd.watch.suspend import SleepClock
from clipd.watch.volume_exchange import VolumeExchange

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.05  # for the catalog to note a volume
CHECK_SECONDS = 2.0  # between looks at the root, each a few stats


@dataclass(frozen=True, slots=True)
class RootReport:
    """How the watching of one root goes. ``scanned_at``: seconds since the epoch."""

    watches: int = 0  # of the whole process, after the last scan
    scanned_at: float | None = None  # the end of the last scan
    trouble: str = ""  # why not every change is noticed at once
    unreadable: tuple[bytes, ...] = ()
    problems: tuple[str, ...] = ()


class RootWatcher:
    """Watches one root from a thread of its own, between ``start`` and ``stop``.

    ``request_scan``, ``accept``, ``report``, ``is_busy`` and ``stop`` are for any thread; all else
    is for the root's.

    Args:
        root: the root.
        library: where everything is.
        config: the timers.
        backlog: where changes go.
        on_root_change: called on the root's thread; must not raise.
    """

    def __init__(
        self,
        root: Root,
        library: PhotoLibrary,
        config: WatchConfig,
        backlog: Backlog,
        on_root_change: Callable[[RootChange], None],
    ) -> None:
        self.root = root
        self._roots = library.roots
        self._config = config
        self._backlog = backlog
        self._on_root_change = on_root_change
        self._mailbox = Mailbox()
        self._pulse = library.roots.pulse(root)
        self._volumes = library.roots.volumes(root)
        self._exchange = VolumeExchange(self._volumes, self._have_noted)
        self._new_folders = NewFolders(root.path)
        self._events = Events(
            root,
            library,
            backlog,
            on_look=self._mailbox.nudge,
            on_folder=self._pulse.beat,
            on_new_folder=self._new_folders.add,
        )
        self._full_scan = FullScan(root, library, backlog, self._events, self._pause)
        self._clock = SleepClock()
        self._lost = LostEvents(root.path)
        self._report = RootReport()  # replaced as a whole, so that any thread may read it
        self._events_trouble = ""
        self._is_due = True
        self._must_rearm = True
        self._next_scan = 0.0  # on the monotonic clock
        self._mounts: Mapping[bytes, int] = {}
        self._catalog_trouble = ""  # why the catalog could not be asked, "" when it could
        # A daemon thread, so that one that waits for its disk does not keep the process alive.
        self._thread = threading.Thread(
            target=self._run, name=f"clipd-watch-root-{root.id}", daemon=True
        )

    @property
    def is_busy(self) -> bool:
        """Whether a full scan runs or is about to."""
        return self._mailbox.is_busy

    def report(self) -> RootReport:
        """Return how the watching of the root goes."""
        return self._report

    def problems(self) -> Iterator[str]:
        """Yield a sentence for everything that keeps the root from being watched well."""
        if self._events_trouble:
            yield self._events_trouble
        yield from self._report.problems
        yield from self._volumes.problems()

    def request_scan(self) -> None:
        """Have the root scanned soon."""
        self._mailbox.request(self._plan)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Have the thread end soon; ``join`` waits for it."""
        self._mailbox.stop()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread, but not for a disk that is known not to answer."""
        self._thread.join(0 if self._roots.is_stalled(self.root) else max(seconds, 0))
        if self._thread.is_alive():
            log.warning("%s: its disk does not answer; not waiting for it", self._path)

    @property
    def _path(self) -> str:
        return os.fsdecode(self.root.path)

    def _run(self) -> None:
        try:
            while True:
                self._pulse.begin()
                try:
                    self._turn()
                    self._catalog_trouble = ""
                except StoreUnavailableError as error:
                    self._put_off(error)
                self._pulse.rest()
                self._mailbox.rest(*self._break())
        except Stopped:
            log.debug("stopped watching %s", self._path)
        finally:
            self._events.stop()
            self._pulse.rest()

    def _turn(self) -> None:
        for work in self._mailbox.take_requests():
            work()
        self._look_around()
        if self._is_due and not (self._exchange.is_under_way or self._is_offline()):
            self._scan()

    def _put_off(self, error: StoreUnavailableError) -> None:
        """Have everything compared again when the catalog's disk lets it be asked."""
        self._plan()
        if str(error) != self._catalog_trouble:
            log.warning("%s is scanned later: %s", self._path, error)
        self._catalog_trouble = str(error)

    def _break(self) -> tuple[float, bool]:
        """Return for how long to rest, and whether something is left to do after it."""
        if self._exchange.is_soon_over:
            return SETTLE_SECONDS, True
        return CHECK_SECONDS, self._lost.is_waiting

    def _pause(self, seconds: float) -> None:
        self._mailbox.pause(seconds)
        self._pulse.beat()

    def _look_around(self) -> None:
        """Find out whether the root has to be scanned, and why."""
        if self._clock.has_slept():
            log.info("the machine was suspended; scanning %s", self._path)
            self._volumes.look_again()
            self._plan()
        if self._exchange.check():
            self._roots.reload(self.root)
            self._plan(rearm=True)
        if self._exchange.is_under_way:
            return
        change = self._roots.check(self.root)
        if change is not None:
            self._take_change(change)
        if not self._events.is_alive():
            self._open_events()
        if self._events.take_lost():
            self._lost.happened()
        if self._lost.is_due() or self._events.take_relinked():
            self._plan()
        self._look_at_watches()

    def _have_noted(self, volumes: tuple[VolumeChange, ...]) -> None:
        state = self._roots.state(self.root.id)
        self._on_root_change(RootChange(self.root, None, state, volumes=volumes))

    def _take_change(self, change: RootChange) -> None:
        if change.now.state == "offline":
            log.warning("%s is offline: %s", self._path, change.now.reason)
        elif change.before is None or change.before.is_away:
            log.info("%s is online", self._path)
            self._plan(rearm=True)
        elif change.identity is not None:
            self._plan(rearm=True)
        self._on_root_change(change)

    def _look_at_watches(self) -> None:
        if self._is_offline():
            for folder in self._events.armed_folders():
                self._events.disarm(folder)
            return
        report = self._report
        mounts = self._volumes.mounts
        if mounts != self._mounts or not (report.trouble or self._events.is_armed()):
            self._mounts = mounts
            self._plan(rearm=True)
        if any(folder_trouble(folder) is None for folder in report.unreadable):
            self._plan()
        if time.monotonic() >= self._next_scan:
            self._plan()
        self._look_at_new_folders()

    def _look_at_new_folders(self) -> None:
        folders = self._new_folders.take_due()
        if not folders:
            return
        started = time.monotonic()
        unwatchable = watch_missed(folders, self._events, self._backlog, self._pause)
        self._new_folders.look_took(time.monotonic() - started)
        if unwatchable:
            self._plan()  # a full scan tells why

    def _scan(self) -> None:
        self._is_due = False
        started = time.monotonic()
        found = self._full_scan.run(rearm=self._must_rearm)
        self._must_rearm = False
        every = self._config.poll_every if found.trouble else self._config.scan_every
        self._next_scan = time.monotonic() + every
        self._lost.scan_took(time.monotonic() - started)
        self._tell(found)
        self._report = RootReport(
            watches=found.watches,
            scanned_at=time.time(),
            trouble=found.trouble,
            unreadable=tuple(found.unreadable),
            problems=tuple(_problems(self._path, found)),
        )

    def _tell(self, found: Findings) -> None:
        before, every = self._report, self._config.poll_every
        reason = f"{found.trouble}; scanned every {every:g} s instead" if found.trouble else ""
        if found.trouble and found.trouble != before.trouble:
            log.warning("not every change in %s is noticed at once: %s", self._path, reason)
        self._roots.degrade(self.root.id, reason)
        unreadable = set(found.unreadable).difference(before.unreadable)
        if unreadable:
            first = os.fsdecode(min(unreadable))
            log.warning("%d folders in %s cannot be read: %s", len(unreadable), self._path, first)

    def _open_events(self) -> None:
        self._events.stop()
        try:
            self._events.start()
        except WatchError as error:
            if not self._events_trouble:
                log.warning("%s; %s is scanned on a timer instead", error, self._path)
            self._events_trouble = str(error)
        else:
            self._events_trouble = ""
            self._plan(rearm=True)

    def _is_offline(self) -> bool:
        return self._roots.state(self.root.id).state == "offline"

    def _plan(self, *, rearm: bool = False) -> None:
        self._mailbox.note_work()
        self._is_due = True
        self._must_rearm = self._must_rearm or rearm


def _problems(path: str, found: Findings) -> Iterator[str]:
    if found.trouble:
        yield f"{path}: {found.trouble}"
    for folder, why in found.unreadable.items():
        yield f"{os.fsdecode(folder)}: cannot be read: {why}"
