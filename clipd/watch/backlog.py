"""The backlog: paths and folders that may differ from the catalog, waiting to settle.

Everything that notices a change puts it here, and the indexer takes it out. What is known
about a change is only where it may be; the disk says what it is when the time comes.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from clipd.watch.waiting_folders import Folder, WaitingFolders

# What to take out: single paths go first, then folders that events tell of, then what scans found.
Lanes = Literal["paths", "fresh", "all"]

MAX_PATHS = 50_000  # beyond, paths become their folders
MAX_REMEMBERED = 10_000  # taken paths whose first hint is remembered


@dataclass(frozen=True, slots=True)
class Work:
    """What is due: either paths, or, when no path is, folders."""

    paths: tuple[bytes, ...] = ()
    folders: tuple[Folder, ...] = ()


@dataclass(slots=True)
class _Pending:
    """One waiting path; times on the monotonic clock."""

    first: float
    due: float


class Backlog:
    """Changes that wait, newest wins. Any thread may add; one lock guards every field.

    Args:
        settle_seconds: how long a path must be quiet before it is taken.
        settle_max_seconds: the longest that a path is held back, however busy.
        storm: above so many waiting paths in one folder, the folder is scanned instead.
    """

    def __init__(self, settle_seconds: float, settle_max_seconds: float, storm: int = 128) -> None:
        self._settle = settle_seconds
        self._settle_max = settle_max_seconds
        self._storm = storm
        self._changed = threading.Condition()
        self._roots: tuple[bytes, ...] = ()
        self._paths: dict[bytes, _Pending] = {}
        self._due: list[tuple[float, bytes]] = []  # a heap; entries may be out of date
        self._names_in: dict[bytes, set[bytes]] = {}  # folder -> its waiting paths
        self._folders = WaitingFolders()
        self._taken: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # first hint, taken at
        self._waiting_until = 0.0
        self._woken = False

    def bound_to(self, roots: Sequence[bytes]) -> None:
        """Name the roots: what too many folders are folded into."""
        with self._changed:
            self._roots = tuple(sorted(roots, key=len, reverse=True))

    def hint(self, path: bytes, *, closed: bool = False) -> None:
        """Say that a path may have changed. Never blocks for long, never raises.

        Args:
            path: an absolute path.
            closed: nobody writes to it any more, so an earlier delay is void.
        """
        now = time.monotonic()
        with self._changed:
            folder = os.path.dirname(path)
            quiet = now + self._settle
            if not self._folders.prolong_storm(folder, quiet, has_grown=not closed):
                self._wait_for(path, now, closed=closed)
                self._bound(folder, now)

    def folder(self, path: bytes, *, deep: bool, expected: int = 0, now: bool = False) -> None:
        """Say that a folder may differ from the catalog.

        Args:
            path: an absolute path; the folder need not exist any more.
            deep: everything below it may differ too.
            expected: how many paths are thought to differ.
            now: found at rest by a scan: due at once, but after all that events tell of.
        """
        moment = time.monotonic()
        with self._changed:
            due = moment if now else moment + self._settle
            self._folders.add(path, due, deep=deep, expected=expected, is_scanned=now)
            self._folders.bound(self._roots, moment + self._settle)
            self._notify_if_before(due)

    def take(self, limit: int, timeout: float, lanes: Lanes = "all") -> Work:
        """Wait for settled work and take it out.

        Args:
            limit: at most so many paths, or folders that expect about so many.
            timeout: seconds to wait; an empty Work when nothing is due by then.
            lanes: what to take: only paths; the folders that events tell of as well; or all.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                now = time.monotonic()
                work = self._due_work(limit, now, lanes)
                if work.paths or work.folders or self._woken or now >= deadline:
                    self._woken = False
                    return work
                self._waiting_until = min(deadline, self._next_due())
                self._changed.wait(max(0.0, self._waiting_until - now))

    def put_back(self, path: bytes, delay_seconds: float) -> None:
        """Try a taken path again later: it is not at rest yet, or could not be read now."""
        now = time.monotonic()
        with self._changed:
            if path in self._paths:
                return  # hinted anew in the meantime, which says more
            first = self._first_of(path, now)
            self._insert(path, _Pending(first, now + delay_seconds))
            self._bound(os.path.dirname(path), now)

    def has_waited_out(self, path: bytes) -> bool:
        """Whether a path was first hinted longer ago than it may be held back."""
        now = time.monotonic()
        with self._changed:
            pending = self._paths.get(path)
            first = pending.first if pending else self._first_of(path, now)
            return now - first >= self._settle_max

    def wake(self) -> None:
        """Make a waiting take() return, now or when it is next called."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._paths) + self._folders.expected

    # Below, the lock is held.

    def _wait_for(self, path: bytes, now: float, *, closed: bool) -> None:
        pending = self._paths.get(path)
        if pending is None:
            self._insert(path, _Pending(now, now + self._settle))
            return
        quiet = now + self._settle
        late = pending.first + self._settle_max
        due = min(quiet if closed else max(quiet, pending.due), max(late, now))
        if due < pending.due:
            heapq.heappush(self._due, (due, path))
            self._notify_if_before(due)
        pending.due = due

    def _insert(self, path: bytes, pending: _Pending) -> None:
        self._paths[path] = pending
        self._names_in.setdefault(os.path.dirname(path), set()).add(path)
        heapq.heappush(self._due, (pending.due, path))
        self._notify_if_before(pending.due)

    def _remove(self, path: bytes) -> _Pending:
        folder = os.path.dirname(path)
        names = self._names_in[folder]
        names.discard(path)
        if not names:
            del self._names_in[folder]
        return self._paths.pop(path)

    def _bound(self, folder: bytes, now: float) -> None:
        if len(self._names_in[folder]) > self._storm:
            self._escalate(folder)
        elif len(self._paths) > MAX_PATHS:
            for each in list(self._names_in):
                self._escalate(each)
            self._due.clear()
        self._folders.bound(self._roots, now + self._settle)

    def _escalate(self, folder: bytes) -> None:
        paths = [self._paths.pop(path) for path in self._names_in.pop(folder)]
        due = max(path.due for path in paths)
        self._folders.add_storm(folder, min(path.first for path in paths), due, len(paths))
        self._notify_if_before(due)

    def _due_work(self, limit: int, now: float, lanes: Lanes) -> Work:
        paths = self._due_paths(limit, now)
        if paths or lanes == "paths":
            return Work(paths=paths)
        return Work(folders=self._folders.take(limit, now, only_hinted=lanes == "fresh"))

    def _due_paths(self, limit: int, now: float) -> tuple[bytes, ...]:
        taken: list[bytes] = []
        while len(taken) < limit and self._due and self._due[0][0] <= now:
            _, path = heapq.heappop(self._due)
            pending = self._paths.get(path)
            if pending is None:
                continue  # became part of a folder, or was taken by another entry
            if pending.due > now:
                heapq.heappush(self._due, (pending.due, path))  # hinted again since
                continue
            self._remember(path, self._remove(path).first, now)
            taken.append(path)
        return tuple(taken)

    def _next_due(self) -> float:
        soonest = self._folders.next_due()
        return min(soonest, self._due[0][0]) if self._due else soonest

    def _remember(self, path: bytes, first: float, now: float) -> None:
        self._taken[path] = (first, now)
        self._taken.move_to_end(path)
        if len(self._taken) > MAX_REMEMBERED:
            self._taken.popitem(last=False)

    def _first_of(self, path: bytes, now: float) -> float:
        first, taken_at = self._taken.get(path, (now, now))
        # A path taken long ago has been dealt with; a new hint starts a new wait.
        return first if now - taken_at <= self._settle_max else now

    def _notify_if_before(self, due: float) -> None:
        if due < self._waiting_until:
            self._changed.notify()
