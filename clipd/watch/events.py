"""The kernel's events, through watchdog, as hints for the backlog. Nobody else uses it.

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
    DirAttribEvent,
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
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
from clipd.watch.events_observer import TroubleListener, fit, reader_of, watch_again
from clipd.watch.library import PhotoLibrary
from clipd.watch.root import Root, is_within

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
    # A file or a folder whose rights are given back, and a time that is set after the close.
    FileAttribEvent,
    DirAttribEvent,
]
# watchdog does not follow a link that is itself the watched path; this names what is behind it.
_BEHIND = b"/."


@dataclass(frozen=True, slots=True)
class _Armed:
    watch: ObservedWatch
    emitter: EventEmitter


class Events:
    """Watches on the folders of one root.

    A root has an observer, and with it an inotify instance and threads, of its own: watchdog
    touches the disk while it holds its locks, so that a shared observer would hang with one root.

    Started, armed and stopped by the root's thread; watchdog's threads call what its handlers
    need: ``lost``, ``removed`` and ``relinked``, which only set flags and wake that thread.

    Args:
        root: the root.
        library: its rules, and its state, which is told of deletions.
        backlog: where the hints go.
        on_look: called from any thread when the root's thread should look around at once.
        on_folder: called for every folder that is watched, while that is being done.
        on_new_folder: called with every folder that an event tells of.
    """

    def __init__(
        self,
        root: Root,
        library: PhotoLibrary,
        backlog: Backlog,
        on_look: Callable[[], None],
        on_folder: Callable[[], None],
        on_new_folder: Callable[[bytes], None],
    ) -> None:
        self.root = root
        self.rules = library.rules.of(root)
        self.roots = library.roots
        self.backlog = backlog
        self.look = on_look
        self._on_folder = on_folder
        self.on_new_folder = on_new_folder
        self._has_lost = threading.Event()
        self._has_relinked = threading.Event()
        self._armed: dict[bytes, _Armed] = {}
        self._listener = TroubleListener(self._is_own_thread, self.lost)
        self._observer: InotifyObserver | None = None

    def start(self) -> None:
        """Start watchdog's threads.

        Raises:
            WatchError: the system has no inotify instance left.
        """
        # That a folder was let go of already does no harm (watchdog 7.1).
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        try:
            self._observer = InotifyObserver()
        except OSError as error:
            raise WatchError(inotify_error_text(error)) from error
        fit(self._observer, self.lost, self._on_folder)
        self._listener.attach()
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
        self._has_lost.set()
        self.look()

    def removed(self) -> None:
        """Say that the root itself was deleted."""
        self.roots.note_removal(self.root.id)
        self.look()

    def relinked(self) -> None:
        """Say that a link to a folder came or went, where links are followed."""
        self._has_relinked.set()
        self.look()

    def take_lost(self) -> bool:
        """Whether events were lost since the last call."""
        return _take(self._has_lost)

    def take_relinked(self) -> bool:
        """Whether links to folders came or went since the last call."""
        return _take(self._has_relinked)

    def is_alive(self) -> bool:
        """Whether watchdog's own threads run."""
        if self._observer is None or not self._observer.is_alive():
            return False
        reader = reader_of(self._observer)
        return reader is None or reader.is_alive()

    def is_armed(self, folder: bytes | None = None) -> bool:
        """Whether the root, or a linked folder below it, is watched as far as watchdog knows."""
        armed = self._armed.get(folder or self.root.path)
        return armed is not None and armed.emitter.is_alive()

    def arm(self, folder: bytes | None = None) -> None:
        """Watch the root, or a folder behind a link below it, with all below; anew if it was.

        Raises:
            WatchError: it cannot be watched.
        """
        path = folder or self.root.path
        self.disarm(path)
        if self._observer is None:
            raise WatchError(f"cannot watch {os.fsdecode(path)}: no inotify instance")
        handler = _Handler(self, path)
        known = set(self._observer.emitters)
        try:
            watch = self._observer.schedule(
                handler, os.fsdecode(path + _BEHIND), recursive=True, event_filter=_WANTED
            )
        except OSError as error:
            text = inotify_error_text(error)
            raise WatchError(f"cannot watch {os.fsdecode(path)}: {text}") from error
        (emitter,) = self._observer.emitters - known
        self._armed[path] = _Armed(watch, emitter)

    def disarm(self, folder: bytes) -> None:
        """Stop watching a folder. Scheduling again without this is a no-op (watchdog 7.1)."""
        armed = self._armed.pop(folder, None)
        if armed is not None and self._observer is not None:
            with suppress(KeyError):  # an observer that is ending has let go of it already
                self._observer.unschedule(armed.watch)

    def watch_again(self, folder: bytes) -> None:
        """Watch a folder that watchdog should watch and does not, with all below."""
        tops = [top for top in self._armed if is_within(folder, top)]
        if not tops:
            return
        top = max(tops, key=len)
        # Arming the whole root anew instead would lose what happens in it meanwhile.
        below = folder[len(top.rstrip(b"/")) :]
        watch_again(self._armed[top].emitter, top + _BEHIND + below)

    def armed_folders(self) -> list[bytes]:
        """Return the root and the linked folders below it, as far as they are watched."""
        return list(self._armed)

    def _is_own_thread(self, ident: int | None) -> bool:
        observer = self._observer
        if observer is None:
            return False
        threads = [
            observer,
            reader_of(observer),
            *(armed.emitter for armed in self._armed.values()),
        ]
        return any(thread is not None and thread.ident == ident for thread in threads)


def _take(flag: threading.Event) -> bool:
    happened = flag.is_set()
    flag.clear()
    return happened


class _Handler(FileSystemEventHandler):
    """Turns events into hints. What it raised would end watchdog's thread for good."""

    def __init__(self, events: Events, watched: bytes) -> None:
        self._events = events
        self._watched = watched

    def dispatch(self, event: FileSystemEvent) -> None:
        try:
            self._take(event)
        except Exception:
            log.exception("an event could not be understood; scanning instead")
            self._events.lost()

    def _take(self, event: FileSystemEvent) -> None:
        if event.is_synthetic and not event.is_directory:
            return  # made up for each file in a moved folder, which is scanned whole anyway
        if isinstance(event, FileDeletedEvent | DirDeletedEvent):
            self._events.roots.note_deletion(self._events.root.id)
        for path in (event.src_path, event.dest_path):
            if path:
                self._hint(self._plain(os.fsencode(path)), event)

    def _hint(self, path: bytes, event: FileSystemEvent) -> None:
        rules = self._events.rules
        if path == self._events.root.path:
            self._hint_root(event)
        elif rules.ignores(path, is_folder=event.is_directory):
            return
        elif event.is_directory:
            self._events.backlog.folder(path, deep=True)
            self._events.on_new_folder(path)
        elif rules.follow_symlinks and self._is_link(path):
            self._events.relinked()
        else:
            self._events.backlog.hint(path, closed=not isinstance(event, FileCreatedEvent))

    def _hint_root(self, event: FileSystemEvent) -> None:
        if isinstance(event, DirAttribEvent | FileAttribEvent):
            self._events.look()  # its state may be another now that its rights are
        else:
            self._events.removed()  # nothing else is ever told about the root itself

    def _is_link(self, path: bytes) -> bool:
        """Whether a link to a folder came, or went; both look like a file to inotify."""
        return self._events.is_armed(path) or os.path.isdir(path)

    def _plain(self, path: bytes) -> bytes:
        """Return a path without the ``/.`` behind the watched folder."""
        rest = path[len(self._watched) + len(_BEHIND) :]
        return self._watched.rstrip(b"/") + rest if rest else self._watched


def inotify_error_text(error: OSError) -> str:
    """Say what is to be done about an error of inotify."""
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
