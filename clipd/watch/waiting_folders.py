"""The folders of the backlog: those that events tell of, then those that scans found."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from clipd.watch.root import is_within

MAX_FOLDERS = 20_000  # beyond, folders become their root
STORM_WAIT_SECONDS = 2.0  # the longest that a storm holds back the scan of its folder


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder to compare with the catalog."""

    path: bytes
    deep: bool  # with everything below
    expected: int  # how many paths are thought to differ; an estimate, 0 when unknown


@dataclass(slots=True)
class _Waiting:
    """One folder that waits; times on the monotonic clock."""

    first: float
    due: float
    deep: bool
    expected: int
    is_storm: bool = False


_Lane = OrderedDict[bytes, _Waiting]


class WaitingFolders:
    """Folders that may differ from the catalog, in two lanes. The lock of the backlog is held."""

    def __init__(self) -> None:
        self._hinted: _Lane = OrderedDict()  # told of by events
        self._scanned: _Lane = OrderedDict()  # found by a scan
        self.expected = 0  # how many paths are thought to differ, in all

    def add(self, path: bytes, due: float, *, deep: bool, expected: int, is_scanned: bool) -> None:
        """Have a folder wait, or be part of one above that waits with all that is below it.

        Args:
            due: when it may be taken, on the monotonic clock.
            is_scanned: found at rest by a scan; else an event tells of it.
        """
        self._add(self._scanned if is_scanned else self._hinted, path, due, deep, expected)

    def add_storm(self, path: bytes, first: float, due: float, expected: int) -> None:
        """Have a folder wait in place of the many paths in it, the first hinted at ``first``."""
        self._add(self._hinted, path, due, False, expected)
        waiting = self._hinted.get(path)
        if waiting is not None:
            waiting.is_storm = True
            waiting.first = min(waiting.first, first)

    def prolong_storm(self, path: bytes, quiet: float, *, has_grown: bool) -> bool:
        """Put off the scan of a folder in which a storm goes on; tell whether there is one.

        Args:
            quiet: when the last hint will have settled, on the monotonic clock.
            has_grown: one more path is thought to differ.
        """
        storm = self._hinted.get(path)
        if storm is None or not storm.is_storm:
            return False
        storm.due = max(storm.due, min(quiet, storm.first + STORM_WAIT_SECONDS))
        if has_grown:
            storm.expected += 1
            self.expected += 1
        return True

    def bound(self, roots: Sequence[bytes], due: float) -> None:
        """Replace all folders, when they are too many, by their roots or what is above them."""
        if len(self._hinted) + len(self._scanned) <= MAX_FOLDERS:
            return
        paths = [*self._hinted, *self._scanned]
        expected = self.expected
        tops = [root for root in roots if any(is_within(path, root) for path in paths)]
        if not tops:
            tops = [os.path.commonpath(paths)]
        self._hinted.clear()
        self._scanned.clear()
        self.expected = 0
        for top in tops:
            self._add(self._scanned, top, due, True, max(1, expected // len(tops)))

    def take(self, limit: int, now: float, *, only_hinted: bool) -> tuple[Folder, ...]:
        """Take out what is due, of those that events tell of first.

        Args:
            limit: folders that expect about so many paths.
        """
        taken: list[Folder] = []
        room = limit
        for lane in (self._hinted,) if only_hinted else (self._hinted, self._scanned):
            paths = []
            for path, waiting in lane.items():
                if room <= 0:
                    break  # of 20,000 folders, only those that are taken are looked at
                if waiting.due <= now:
                    room -= waiting.expected
                    taken.append(Folder(path, waiting.deep, waiting.expected))
                    paths.append(path)
            for path in paths:
                del lane[path]
        self.expected -= sum(folder.expected for folder in taken)
        return tuple(taken)

    def next_due(self) -> float:
        """Return when the next one is due; infinity when none waits."""
        every = (*self._hinted.values(), *self._scanned.values())
        return min((waiting.due for waiting in every), default=float("inf"))

    def _add(self, lane: _Lane, path: bytes, due: float, deep: bool, expected: int) -> None:
        above = _deep_above(lane, path)
        waiting = above or lane.get(path)
        self.expected += max(expected, 0 if waiting else 1)
        if waiting is None:
            lane[path] = _Waiting(time.monotonic(), due, deep, max(expected, 1))
            return
        waiting.expected += expected
        if above is None:
            waiting.deep |= deep
            waiting.due = due


def _deep_above(lane: _Lane, path: bytes) -> _Waiting | None:
    while len(path) > 1:
        path = os.path.dirname(path)
        waiting = lane.get(path)
        if waiting is not None and waiting.deep:
            return waiting
    return None
