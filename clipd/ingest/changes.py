"""The paths to look at next: fresh hints first, then what scanned folders hold."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clipd.watch.backlog import Backlog, Lanes
from clipd.watch.waiting_folders import Folder

_PAGE = 256

# Paths, with a None now and then where nothing was found for a while.
Found = Iterator[bytes | None]


@dataclass(slots=True)
class _Expansion:
    paths: Found
    expected: int  # about how many are still to come


class Changes:
    """One stream of paths out of the backlog. The indexer's thread; ``len`` for any.

    Single paths go first, then folders that events tell of or that were met on the way, then
    what scans have found: a fresh photo never waits for the first crawl of a large library.
    """

    def __init__(self, backlog: Backlog, expand: Callable[[Folder], Found]) -> None:
        """Make the stream.

        Args:
            expand: lists the paths of a folder that differ from the catalog; with None
                between them as often as it can.
        """
        self._backlog = backlog
        self._expand = expand
        self._paths: deque[bytes] = deque()
        self._fresh: deque[_Expansion] = deque()
        self._slow: deque[_Expansion] = deque()

    def __len__(self) -> int:
        # In the order in which changes move on, so that none is passed over on its way.
        waiting = len(self._backlog) + len(self._paths)
        # One that is open has something to do, if only to find out that it has not.
        expanding = [*self._fresh, *self._slow]
        return waiting + sum(max(1, expansion.expected) for expansion in expanding)

    def has_more(self) -> bool:
        """Whether ``next`` would look further than the backlog's future."""
        return bool(self._paths or self._fresh or self._slow)

    def wait(self, seconds: float) -> None:
        """Take what is due out of the backlog; wait for it as long as given, which may be 0."""
        if self._paths:
            return
        # What scans have found stays in the backlog until its turn: there, it is bounded.
        lanes: Lanes = "paths" if self._fresh else "fresh" if self._slow else "all"
        work = self._backlog.take(_PAGE, seconds if lanes == "all" else 0, lanes)
        self._paths.extend(work.paths)
        lane = self._slow if lanes == "all" else self._fresh
        for folder in work.folders:
            lane.append(_Expansion(self._expand(folder), folder.expected))

    def next(self, until: float) -> bytes | None:
        """Return the next path.

        Args:
            until: when to give up looking for one, on the monotonic clock.

        Returns:
            None when nothing is due, or, while ``has_more``, when the time was up.
        """
        if self._paths:
            return self._paths.popleft()
        for lane in (self._fresh, self._slow):
            while lane:
                path = self._from(lane, until)
                if path is not None or time.monotonic() >= until:
                    return path
        return None

    def add(self, paths: Iterator[bytes]) -> None:
        """Add paths found on the way, such as those of a folder that is gone."""
        self._fresh.append(_Expansion(paths, 0))

    def put_back(self, path: bytes, delay_seconds: float) -> None:
        """Have a path looked at again later."""
        self._backlog.put_back(path, delay_seconds)

    def _from(self, lane: deque[_Expansion], until: float) -> bytes | None:
        """Return a path of the first expansion; None when it is over, or the time is."""
        expansion = lane[0]
        for path in expansion.paths:
            if path is not None:
                expansion.expected = max(0, expansion.expected - 1)
                return path
            if time.monotonic() >= until:
                return None
        lane.popleft()
        return None
