"""What the outside asks of the process: signals, and the end of a thread that must not end."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_PIECE_BYTES = 4096


class Signals:
    """Flags that signals set, and a wait that they end. The waits are the main thread's."""

    def __init__(self, wake_read: int, wake_write: int) -> None:
        """Join the two ends of a pipe that does not block; `listening_to_signals` makes it."""
        self._wake_read = wake_read
        self._wake_write = wake_write
        self.must_stop = False
        self.must_reload = False
        self.has_failed = False

    @property
    def must_end(self) -> bool:
        """Whether to stop for good."""
        return self.must_stop or self.has_failed

    def wait(self, seconds: float) -> None:
        """Return when a signal has come or the time is over."""
        # Not a threading.Event: its set() takes a lock, and a handler runs in the middle of
        # whatever the main thread does, wait() included. A second signal during set() waited for
        # ever for the lock that the first one held (seen after 929 signals, 2026-11).
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        poll.poll(seconds * 1000)
        with suppress(BlockingIOError):
            while len(os.read(self._wake_read, _PIECE_BYTES)) == _PIECE_BYTES:
                pass

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGTERM and SIGINT."""
        self.must_stop = True

    def reload(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGHUP."""
        self.must_reload = True

    def thread_died(self, arguments: threading.ExceptHookArgs) -> None:
        """Show the traceback of a thread, as Python would, and have the process end."""
        sys.__excepthook__(
            arguments.exc_type,
            arguments.exc_value or arguments.exc_type(),
            arguments.exc_traceback,
        )
        self.has_failed = True
        with suppress(BlockingIOError):  # a full pipe wakes the main thread as well
            os.write(self._wake_write, b"\0")


@contextmanager
def listening_to_signals() -> Iterator[Signals]:
    """Take SIGTERM, SIGINT, SIGHUP and the end of threads; the process ends after the block."""
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signals = Signals(wake_read, wake_write)
    signal.signal(signal.SIGTERM, signals.stop)
    signal.signal(signal.SIGINT, signals.stop)
    signal.signal(signal.SIGHUP, signals.reload)
    # A lease that we hold for a moment to see whether a file is being written may be
    # broken by its writer; the default action of that signal would end us (fcntl(2)).
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    # Python writes a byte to this pipe from its C handler, so that wait() ends. A full pipe is
    # no loss: whoever reads it is awake already.
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    threading.excepthook = signals.thread_died
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(-1)
        threading.excepthook = threading.__excepthook__
        # A second SIGTERM must not turn a clean end into a death by signal.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(wake_read)
        os.close(wake_write)
