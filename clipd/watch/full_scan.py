"""A full scan of one root, together with the proof that each of its folders is watched.

Order matters: first the watches, then the scan, then the kernel's list of watches. A change that
comes before its folder is scanned is found by the scan, one that comes later by the watch; a folder
that was not watched yet when it was scanned is scanned again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from clipd.errors import WatchError
from clipd.watch.backlog import Backlog
from clipd.watch.coverage import Coverage, is_limit_reached
from clipd.watch.events import Events, inotify_error_text
from clipd.watch.filesystems import filesystem_of
from clipd.watch.library import PhotoLibrary
from clipd.watch.root import Root
from clipd.watch.scan import differing_folders

_MAX_ROUNDS = 3  # scans in a row, when watches had to be made again
_MAX_LATE = 10_000  # folders remembered for another look; beyond, the whole root gets it
_MAX_LINKS = 64  # linked folders with watches of their own, each a thread of watchdog
_MAX_UNREADABLE = 1000
_GRACE_SECONDS = 1.0  # for watchdog to watch a folder that has just appeared


@dataclass(slots=True)
class Findings:
    """What one full scan found out."""

    trouble: str = ""  # why not every change is noticed at once, "" when each is
    watches: int = 0
    unreadable: dict[bytes, str] = field(default_factory=dict)  # folder -> why
    late: list[bytes] = field(default_factory=list)  # not watched yet when scanned
    links: list[bytes] = field(default_factory=list)  # folders behind links that are followed
    is_late_full: bool = False


class FullScan:
    """Scans one root. For that root's thread.

    Args:
        root: the root.
        library: where everything is.
        backlog: where differing folders go.
        events: the watches of the root.
        pause: waits so many seconds (0: not at all); what it raises ends the scan.
    """

    def __init__(
        self,
        root: Root,
        library: PhotoLibrary,
        backlog: Backlog,
        events: Events,
        pause: Callable[[float], None],
    ) -> None:
        self._root = root
        self._library = library
        self._backlog = backlog
        self._events = events
        self._pause = pause

    def run(self, *, rearm: bool) -> Findings:
        """Compare the root with the catalog and see to its watches; it must not be offline.

        Args:
            rearm: make the watches anew first.
        """
        unwatched: list[bytes] = []
        for _ in range(_MAX_ROUNDS):
            arm_trouble = self._arm() if rearm or not self._events.is_armed() else ""
            found = self._walk()
            found.trouble = arm_trouble or self._arm_links(found.links)
            unwatched = [] if arm_trouble else self._second_look(found)
            if unwatched and is_limit_reached(unwatched[0]):
                found.trouble = _limit_trouble()
                unwatched = []
            if not unwatched:
                break
            rearm = True
        if unwatched:
            shown = os.fsdecode(unwatched[0])
            found.trouble = f"{len(unwatched)} folders cannot be watched, such as {shown}"
        found.trouble = found.trouble or _filesystem_trouble(self._root)
        return found

    def _arm(self) -> str:
        try:
            for folder in self._events.armed_folders():
                self._events.disarm(folder)
            self._events.arm()
        except WatchError as error:
            return str(error)
        return ""

    def _arm_links(self, links: list[bytes]) -> str:
        wanted = links[:_MAX_LINKS]
        for folder in self._events.armed_folders():
            if folder != self._root.path and folder not in wanted:
                self._events.disarm(folder)
        try:
            for folder in wanted:
                if not self._events.is_armed(folder):
                    self._events.arm(folder)
        except WatchError as error:
            return str(error)
        return "" if wanted == links else f"more than {_MAX_LINKS} linked folders are followed"

    def _walk(self) -> Findings:
        found = Findings()
        coverage = Coverage()
        follows_links = self._library.rules.follow_symlinks

        def on_folder(stat: os.stat_result, path: bytes) -> None:
            self._pause(0)
            if follows_links and path != self._root.path and os.path.islink(path):
                found.links.append(path)
            if not coverage.has(stat):
                if len(found.late) < _MAX_LATE:
                    found.late.append(path)
                else:
                    found.is_late_full = True

        def on_unreadable(path: bytes, error: OSError) -> None:
            if len(found.unreadable) < _MAX_UNREADABLE:
                found.unreadable[path] = error.strerror or str(error)

        differing = differing_folders(self._library, self._root, on_folder, on_unreadable)
        for folder, count in differing:
            self._backlog.folder(folder, deep=False, expected=count, now=True)
        return found

    def _second_look(self, found: Findings) -> list[bytes]:
        """Return the folders still not watched; have those scanned again that are by now."""
        unwatched = self._unwatched(found, found.late)
        if unwatched:
            self._pause(_GRACE_SECONDS)
            unwatched = self._unwatched(found, unwatched)
        if unwatched:
            for folder in unwatched:
                self._events.watch_again(folder)
            unwatched = self._unwatched(found, unwatched)
        if found.is_late_full:
            self._backlog.folder(self._root.path, deep=True, now=True)
        else:
            for folder in set(found.late).difference(unwatched):
                self._backlog.folder(folder, deep=False, now=True)
        return unwatched

    def _unwatched(self, found: Findings, folders: list[bytes]) -> list[bytes]:
        coverage = Coverage()
        found.watches = len(coverage)
        return coverage.missing(folders)


def _limit_trouble() -> str:
    return inotify_error_text(OSError(errno.ENOSPC, ""))


def _filesystem_trouble(root: Root) -> str:
    filesystem = filesystem_of(root.path)
    if filesystem.has_events:
        return ""
    return f"{filesystem.kind} does not announce changes made elsewhere"
