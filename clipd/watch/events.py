"""The kernel's events, through watchdog, as hints for the backlog. Nobody else knows watchdog.

Events are hints and no more: the queue of the kernel overflows, folders copied in a hurry go
unwatched, renamed ones report old paths. The scan is what makes the catalog complete.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import EventEmitter, ObservedWatch
from watchdog.observers.inotify import InotifyObserver

from clipd.errors import WatchError
from clipd.watch.backlog import Backlog
from clipd.watch.coverage import instance_limit, watch_limit
from clipd.watch.root import Root
from clipd.watch.roots import Roots
from clipd.watch.rules import RootRules

log = logging.getLogger(__name__)

# Without the opens, the closes of readers and the modifications, a storm of 50,000 files fits
# into the kernel's queue; with them only a third of it was seen (measured).
_WANTED: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    FileClosedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
# watchdog does not follow a link that is itself the watched path; this names what is behind it.
_BEHIND = b"/."


@dataclass(frozen=True, slots=True)
class _Armed:
    watch: ObservedWatch
    emitter: EventEmitter


class Events:
    """Watches on folder trees.

    Started, armed and stopped by one thread; watchdog's threads call what its handlers need:
    ``lost``, ``removed`` and ``relinked``, which only set flags and wake the watcher.

    Args:
        backlog: where the hints go.
        roots: told of deletions.
        on_look: called from any thread when the watcher should look around at once.
    """

    def __init__(self, backlog: Backlog, roots: Roots, on_look: Callable[[], None]) -> None:
        self.backlog = backlog
        self.roots = roots
        self._on_look = on_look
        self._is_trouble = threading.Event()
        self._relinked: set[int] = set()
        self._armed: dict[tuple[int, bytes], _Armed] = {}
        self._listener = _Listener(self.lost)
        self._observer: InotifyObserver | None = None

    def start(self) -> None:
        """Start watchdog's threads.

        Raises:
            WatchError: the system has no inotify instance left.
        """
        # An ordinary copy floods stderr with these (watchdog 7.1).
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        self._listener.attach()
        try:
            self._observer = _guarded_observer(self.lost)
        except OSError as error:
            self._listener.detach()
            raise WatchError(_told(error)) from error
        self._observer.start()

    def stop(self) -> None:
        """End all watches and threads."""
        observer, self._observer = self._observer, None
        self._armed.clear()
        if observer is not None:
            observer.stop()
            observer.join()
            self._listener.detach()

    def lost(self) -> None:
        """Say that events were lost."""
        self._is_trouble.set()
        self._on_look()

    def removed(self, root: Root) -> None:
        """Say that a root itself was deleted."""
        self.roots.note_removal(root.id)
        self._on_look()

    def relinked(self, root: Root) -> None:
        """Say that a link to a folder came or went in a root where links are followed."""
        self._relinked.add(root.id)
        self._on_look()

    def take_lost(self) -> bool:
        """Whether events were lost since the last call."""
        happened = self._is_trouble.is_set()
        self._is_trouble.clear()
        return happened

    def take_relinked(self) -> set[int]:
        """Return the ids of the roots with other links than at the last call."""
        taken = set()
        while self._relinked:
            taken.add(self._relinked.pop())
        return taken

    def is_alive(self) -> bool:
        """Whether watchdog's own threads run."""
        if self._observer is None or not self._observer.is_alive():
            return False
        reader = getattr(self._observer, "_inotify_fd", None)
        return not isinstance(reader, threading.Thread) or reader.is_alive()

    def is_armed(self, root: Root, folder: bytes | None = None) -> bool:
        """Whether a root, or a linked folder below it, is watched as far as watchdog knows."""
        armed = self._armed.get((root.id, folder or root.path))
        return armed is not None and armed.emitter.is_alive()

    def arm(self, root: Root, rules: RootRules, folder: bytes | None = None) -> None:
        """Watch a root, or a folder behind a link below it, with all below; anew if it was.

        Raises:
            WatchError: it cannot be watched.
        """
        path = folder or root.path
        self.disarm(root, path)
        if self._observer is None:
            raise WatchError(f"cannot watch {os.fsdecode(path)}: no inotify instance")
        handler = _Handler(self, root, path, rules)
        known = set(self._observer.emitters)
        try:
            watch = self._observer.schedule(
                handler, os.fsdecode(path + _BEHIND), recursive=True, event_filter=_WANTED
            )
        except OSError as error:
            raise WatchError(f"cannot watch {os.fsdecode(path)}: {_told(error)}") from error
        (emitter,) = self._observer.emitters - known
        self._armed[root.id, path] = _Armed(watch, emitter)

    def disarm(self, root: Root, folder: bytes | None = None) -> None:
        """Stop watching a folder. Scheduling again without this is a no-op (watchdog 7.1)."""
        armed = self._armed.pop((root.id, folder or root.path), None)
        if armed is not None and self._observer is not None:
            with suppress(KeyError):  # an observer that is ending has let go of it already
                self._observer.unschedule(armed.watch)

    def armed_folders(self, root: Root) -> list[bytes]:
        """Return the root and the linked folders below it that are watched."""
        return [path for root_id, path in self._armed if root_id == root.id]


class _Handler(FileSystemEventHandler):
    """Turns events into hints. What it raised would end watchdog's thread for good."""

    def __init__(self, events: Events, root: Root, watched: bytes, rules: RootRules) -> None:
        self._events = events
        self._root = root
        self._watched = watched
        self._rules = rules

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            self._take(event)
        except Exception:
            log.exception("an event could not be understood; scanning instead")
            self._events.lost()

    def _take(self, event: FileSystemEvent) -> None:
        if event.is_synthetic and not event.is_directory:
            return  # made up for each file in a moved folder, which is scanned whole anyway
        is_new = isinstance(event, FileCreatedEvent)
        if isinstance(event, FileDeletedEvent | DirDeletedEvent):
            self._events.roots.note_deletion(self._root.id)
        for path in (event.src_path, event.dest_path):
            if path:
                name = self._plain(os.fsencode(path))
                self._hint(name, is_folder=event.is_directory, is_new=is_new)

    def _hint(self, path: bytes, *, is_folder: bool, is_new: bool) -> None:
        if path == self._root.path:
            self._events.removed(self._root)  # nothing else is ever told about the root itself
        elif self._rules.ignores(path, is_folder=is_folder):
            return
        elif is_folder:
            self._events.backlog.folder(path, deep=True)
        elif self._rules.follow_symlinks and self._is_link(path):
            self._events.relinked(self._root)
        else:
            self._events.backlog.hint(path, closed=not is_new)

    def _is_link(self, path: bytes) -> bool:
        """Whether a link to a folder came, or went; both look like a file to inotify."""
        return self._events.is_armed(self._root, path) or os.path.isdir(path)

    def _plain(self, path: bytes) -> bytes:
        """Return a path without the ``/.`` behind the watched folder."""
        rest = path[len(self._watched) + len(_BEHIND) :]
        return self._watched.rstrip(b"/") + rest if rest else self._watched


class _Listener(logging.Handler):
    """Hears watchdog's log: that a queue overflowed is said nowhere else."""

    def __init__(self, on_trouble: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._on_trouble = on_trouble
        self._logger = logging.getLogger("watchdog")

    def attach(self) -> None:
        self._logger.addHandler(self)
        self._logger.propagate = False  # one line of ours instead of one per watch

    def detach(self) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        log.debug("watchdog: %s", text)
        if "inactive" not in text:  # an emitter that is being stopped
            self._on_trouble()


def _guarded_observer(on_trouble: Callable[[], None]) -> InotifyObserver:
    """Make an observer whose reading thread survives what watchdog's bookkeeping raises.

    A folder moved onto another's path can make it raise KeyError (watchdog 7.1), which would
    end all watching.
    """
    observer = InotifyObserver()
    reader = getattr(observer, "_inotify_fd", None)
    handle = getattr(reader, "handle_event", None)
    if handle is None:
        return observer

    def guarded(event: object) -> None:
        try:
            handle(event)
        except Exception:
            log.debug("watchdog failed on %r", event, exc_info=True)
            on_trouble()

    reader.handle_event = guarded  # type: ignore[union-attr]
    return observer


def _told(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return (
            f"inotify's limit of watches is reached; raise fs.inotify.max_user_watches "
            f"(now {watch_limit()})"
        )
    if error.errno == errno.EMFILE:
        return (
            f"inotify's limit of instances is reached; raise fs.inotify.max_user_instances "
            f"(now {instance_limit()})"
        )
    return error.strerror or str(error)
