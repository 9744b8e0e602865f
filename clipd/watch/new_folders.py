"""Folders that appeared a moment ago, and whether watchdog really watches them.

A folder that is renamed while watchdog walks it is left without watches, below it or itself, and
nothing tells (`cp -r s X.tmp; mv X.tmp X`, 110 times: 24 to 218 of 1,430 folders). The kernel's
list of watches does, so it is asked soon after such a storm, and not only by the hourly scan.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from clipd.watch.backlog import Backlog
from clipd.watch.coverage import Coverage
from clipd.watch.events import Events

_QUIET_SECONDS = 1.0  # watchdog has caught up when no folder has come for so long
_LONGEST_SECONDS = 10.0  # however busy it is
_MAX_FOLDERS = 1000  # beyond, the whole root is looked at
_SHARE = 5  # of the time, at most a fifth goes into looking


class NewFolders:
    """Collects folders until it is time to look at them. Any thread; a lock guards all fields."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._folders: set[bytes] = set()
        self._first = 0.0  # these on the monotonic clock
        self._last = 0.0
        self._not_before = 0.0

    def add(self, folder: bytes) -> None:
        """Note a folder that was made, moved or renamed."""
        now = time.monotonic()
        with self._lock:
            if not self._folders:
                self._first = now
            self._last = now
            self._folders.add(folder)
            if len(self._folders) > _MAX_FOLDERS:
                self._folders = {self._root}

    def take_due(self) -> list[bytes]:
        """Return the folders to look at now, none of them below another."""
        now = time.monotonic()
        with self._lock:
            is_quiet = now - self._last >= _QUIET_SECONDS
            is_due = is_quiet or now - self._first >= _LONGEST_SECONDS
            if not self._folders or not is_due or now < self._not_before:
                return []
            folders, self._folders = self._folders, set()
        return list(_topmost(folders))

    def look_took(self, seconds: float) -> None:
        """Note how long a look took, to space the next one."""
        with self._lock:
            self._not_before = time.monotonic() + _SHARE * seconds


def watch_missed(
    folders: Iterable[bytes], events: Events, backlog: Backlog, pause: Callable[[float], None]
) -> int:
    """Watch those folders, and those below them, that watchdog has missed; have them scanned.

    Args:
        folders: where to look.
        events: the watches of the root.
        backlog: where folders go that nobody watched until now.
        pause: called with 0 for every folder; what it raises ends the look.

    Returns:
        How many cannot be watched, as when the limit of watches is reached.
    """
    coverage = Coverage()
    missed = [
        folder
        for top in folders
        for folder in _folders_in(top, events, pause)
        if not coverage.has_folder(folder)
    ]
    for folder in _topmost(missed):
        events.watch_again(folder)
        # First the watch, then the scan: what came before is found by it, what comes after is told.
        backlog.folder(folder, deep=True)
    return len(Coverage().missing(missed)) if missed else 0


def _folders_in(top: bytes, events: Events, pause: Callable[[float], None]) -> Iterator[bytes]:
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        pause(0)
        try:
            with os.scandir(folder) as entries:
                below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue  # gone or out of reach: nothing to watch
        yield folder
        waiting += [path for path in below if not events.rules.ignores_here(path, is_folder=True)]


def _topmost(folders: Iterable[bytes]) -> Iterator[bytes]:
    """Yield those folders that do not lie below another one of them."""
    above = b"\0"  # nothing lies below it
    for folder in sorted(path + b"/" for path in folders):
        if not folder.startswith(above):
            above = folder
            yield folder[:-1]
