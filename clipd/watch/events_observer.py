"""watchdog's observer, fitted for us: what is not in its API is here and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable

from watchdog.observers.api import EventEmitter
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
)

log = logging.getLogger(__name__)
_watchdog_log = logging.getLogger("watchdog")


class AttributeEmitter(InotifyEmitter):
    """Also wants changes of rights and times, which watchdog asks for together with every write."""

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
    path can make it raise KeyError (watchdog 7.1), which would end all watching.

    Args:
        observer: a new one.
        on_trouble: called when the bookkeeping has failed.
        on_folder: called for every folder that gets a watch.
    """
    observer._emitter_class = AttributeEmitter
    reader = reader_of(observer)
    if reader is None:
        return
    handle, add = reader.handle_event, reader.add_callback

    def guarded(event: InotifyEvent) -> None:
        try:
            handle(event)
        except Exception:
            log.debug("watchdog failed on %r", event, exc_info=True)
            on_trouble()

    def counted(path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> int:
        descriptor = add(path, mask, callback, id_)
        on_folder()
        return descriptor

    reader.handle_event = guarded  # type: ignore[method-assign]
    reader.add_callback = counted  # type: ignore[method-assign, assignment]


def watch_again(emitter: EventEmitter, folder: bytes) -> None:
    """Have an emitter watch a folder below its own that it has missed, with all below."""
    group = getattr(emitter, "_inotify", None)
    if isinstance(group, InotifyWatchGroup):
        with group._lock:
            group._add_all_callbacks(folder)
