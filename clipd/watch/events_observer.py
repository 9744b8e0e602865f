"""watchdog's observer, fitted for us: what is not in its API is here and nowhere else."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress

from watchdog.observers.api import EventEmitter
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

log = logging.getLogger(__name__)
_watchdog_log = logging.getLogger("watchdog")


class LastingWatches(InotifyWatchGroup):
    """The watches on a tree, which outlast an overflow of the kernel's queue.

    watchdog (7.1) removes them all and makes them anew. But each removal is an event of its own
    (IN_IGNORED, inotify(7)), so that with more folders than the queue holds they overflow it again,
    and so on without end (20,000 folders, a queue of 16,384: 34 overflows in 20 s, 0.7 of a core).
    """

    def on_queue_overflow(self) -> None:
        """Learn the paths of all folders anew, which may have been renamed unseen."""
        with self._lock:
            if not self.is_active:
                return
            self._move_event_grouper.discard_pending_events()
            before = list(self._active_callbacks_by_watch)
            self._active_callbacks_by_watch.clear()
            self._active_callbacks_by_path.clear()
            with suppress(OSError):  # the root itself is gone, which its state tells
                # The kernel gives a folder that is watched the watch that it has.
                self._add_all_callbacks(self.path)
            gone = [watch for watch in before if watch not in self._active_callbacks_by_watch]
            self._inotify_fd.remove_callbacks([(watch, self._id) for watch in gone])


class FittedEmitter(InotifyEmitter):
    """Also wants changes of rights and times, which watchdog asks for together with every write."""

    def on_thread_start(self) -> None:
        """Make the watches."""
        self._inotify = LastingWatches(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
        )

    def get_event_mask_from_filter(self) -> Mask:
        """Return what inotify is asked for."""
        mask = super().get_event_mask_from_filter()
        return Mask(mask | InotifyConstants.IN_ATTRIB)


class TroubleListener(logging.Handler):
    """Hears watchdog's log: that a queue overflowed is said nowhere else.

    Args:
        is_own: whether a thread, by its ident, belongs to the observer that is listened to.
        on_trouble: called when one of those has something to say.
    """

    def __init__(self, is_own: Callable[[int | None], bool], on_trouble: Callable[[], None]):
        super().__init__(logging.WARNING)
        self._is_own = is_own
        self._on_trouble = on_trouble

    def attach(self) -> None:
        """Begin to listen."""
        _watchdog_log.propagate = False  # one line of ours instead of one per watch
        _watchdog_log.addHandler(self)

    def detach(self) -> None:
        """End to listen; watchdog's log goes where it went before."""
        _watchdog_log.removeHandler(self)
        if not any(isinstance(other, TroubleListener) for other in _watchdog_log.handlers):
            _watchdog_log.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of watchdog's log."""
        if not self._is_own(record.thread):
            return
        text = record.getMessage()
        log.debug("watchdog: %s", text)
        if "inactive" not in text:  # an emitter that is being stopped
            self._on_trouble()


def reader_of(observer: InotifyObserver) -> InotifyFD | None:
    """Return the thread that reads the kernel's events; None should watchdog have changed."""
    reader = getattr(observer, "_inotify_fd", None)
    return reader if isinstance(reader, InotifyFD) else None


def fit(
    observer: InotifyObserver, on_trouble: Callable[[], None], on_folder: Callable[[], None]
) -> None:
    """Fit an observer for us, before it is started.

    Its reading thread survives what watchdog's bookkeeping raises: a folder moved onto another's
    path can make it raise KeyError (watchdog 7.1), which would end all watching. And a folder is
    given a second watch without the warning that watchdog writes then, in which it describes all
    folders: that took longer than the watching itself by far.

    Args:
        observer: a new one.
        on_trouble: called when the bookkeeping has failed.
        on_folder: called for every folder that gets a watch.
    """
    observer._emitter_class = FittedEmitter
    reader = reader_of(observer)
    if reader is None:
        return
    handle = reader.handle_event

    def guarded(event: InotifyEvent) -> None:
        try:
            handle(event)
        except Exception:
            log.debug("watchdog failed on %r", event, exc_info=True)
            on_trouble()

    def add(path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
        with reader._lock:
            watch = reader._get_or_create_watch(path, mask)
            watch.callbacks[id_] = callback
        on_folder()
        return watch.wd

    reader.handle_event = guarded  # type: ignore[method-assign]
    reader.add_callback = add  # type: ignore[method-assign]


def watch_again(emitter: EventEmitter, folder: bytes) -> None:
    """Have an emitter watch a folder below its own that it has missed, with all below."""
    group = getattr(emitter, "_inotify", None)
    if isinstance(group, InotifyWatchGroup):
        with group._lock:
            group._add_all_callbacks(folder)
