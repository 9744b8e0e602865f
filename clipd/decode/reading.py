"""One photo while it is read, from a disk that may never answer."""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TypeVar

from clipd.decode.opening import OpenPhoto, open_photo
from clipd.errors import ShortageError
from clipd.photo import Decoded, Drawn, Fingerprint, Fitted, Headers, Refused

T = TypeVar("T")
Made = Decoded | Headers | Drawn | Fitted
Outcome = Made | Refused

_END_SECONDS = 2.0  # for a disk that has answered to close the file, too


class Reading:
    """An open photo. Whatever asks its disk runs on a thread that can be left behind.

    A system call on a network drive whose server is gone can wait for ever, `close` included, and
    nothing but the end of the process ends it. So a daemon thread opens the file and looks at it,
    waits until it has been read, looks again and closes it; the others wait for its answers only
    so long. The interpreter does not wait for daemon threads when it exits.
    """

    def __init__(self, path: bytes, max_file_bytes: int, *, follow: bool) -> None:
        """Begin to open a file; see `clipd.decode.opening.open_photo` for the arguments.

        Raises:
            ShortageError: no thread can be started.
        """
        self._path = path
        self._max_file_bytes = max_file_bytes
        self._follow = follow
        self._photo: Future[OpenPhoto | Refused] = Future()
        self._looks: queue.SimpleQueue[Future[Fingerprint | None] | None] = queue.SimpleQueue()
        self._last_look: Future[Fingerprint | None] = Future()
        self._is_aborted = False
        self._is_silent = False  # it did not answer in time
        self._thread = threading.Thread(target=self._run, name="clipd-read", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise ShortageError("no thread can be started to open photos") from error

    @property
    def is_over(self) -> bool:
        """Whether its disk owes no answer any more."""
        return not self._thread.is_alive()

    def ends(self) -> bool:
        """Wait for the disk's last answer a moment, after `opened` or `confirmed`.

        A thread that has been told to end still has to be scheduled: that it lives says nothing.
        """
        self._thread.join(0 if self._is_silent else _END_SECONDS)
        return self.is_over

    def opened(self, seconds: float) -> OpenPhoto | Refused:
        """Wait until the file is open.

        Raises:
            ShortageError: there are no descriptors, or no memory, for the moment.
        """
        photo = _wait(self._photo, seconds)
        self._is_silent = photo is None
        return photo or _not_answering(seconds)

    def is_answering(self, seconds: float) -> bool:
        """Ask the disk of the open file something, and wait for the answer."""
        return self._look(seconds) is not None

    def confirmed(self, answer: Outcome, seconds: float) -> Outcome:
        """Return what was made of the file if it did not change meanwhile; else say so."""
        after = self._look(0 if self._is_silent else seconds)
        self._looks.put(None)
        if after is None:
            return _not_answering(seconds)
        if after != answer.fingerprint:
            return Refused("missing", "changed while it was read")
        return answer

    def abort(self) -> None:
        """End a wait in another thread."""
        self._is_aborted = True
        self._photo.cancel()
        self._last_look.cancel()

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *error: object) -> None:
        self._looks.put(None)

    def _look(self, seconds: float) -> Fingerprint | None:
        """Have the file looked at; None when the disk does not answer in time, or is gone."""
        self._last_look = look = Future[Fingerprint | None]()
        if self._is_aborted:  # before `abort` could see this look
            look.cancel()
        self._looks.put(look)
        seen = _wait(look, seconds)
        self._is_silent = seen is None
        return seen

    def _run(self) -> None:
        try:
            photo = open_photo(self._path, self._max_file_bytes, follow=self._follow)
        except BaseException as error:  # handed on to whoever waits
            _give_up(self._photo, error)
            return
        try:
            self._photo.set_result(photo)
        except InvalidStateError:  # it came too late: nobody waits any more
            self._looks.put(None)
        if isinstance(photo, OpenPhoto):
            while (look := self._looks.get()) is not None:
                _answer(look, photo.fd)
            photo.close()


class HangingRoots:
    """The roots whose disk does not answer now, so that only a few threads wait for them.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards `_readings`
        self._readings: dict[int, Reading] = {}

    def add(self, root: int, reading: Reading) -> None:
        """Note that a reading in a root was given up."""
        with self._lock:
            self._readings[root] = reading

    def __contains__(self, root: int) -> bool:
        with self._lock:
            reading = self._readings.get(root)
            if reading is None:
                return False
            if reading.is_over:  # its disk has answered after all
                del self._readings[root]
            return root in self._readings


def _wait(future: Future[T], seconds: float) -> T | None:
    """Return the answer; None when it does not come in time, or was given up elsewhere."""
    try:
        return future.result(seconds)
    except CancelledError:
        return None
    except TimeoutError:
        return None if future.cancel() else future.result()


def _answer(look: Future[Fingerprint | None], fd: int) -> None:
    seen: Fingerprint | None
    try:
        seen = Fingerprint.of(os.fstat(fd))
    except OSError:  # its disk is gone
        seen = None
    if look.set_running_or_notify_cancel():
        look.set_result(seen)


def _give_up(future: Future[T], error: BaseException) -> None:
    if not future.cancelled():
        future.set_exception(error)


def _not_answering(seconds: float) -> Refused:
    return Refused("unreadable", f"its disk did not answer for {seconds:g} s")
