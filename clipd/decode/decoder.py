"""One decoder, seen from clipd: started, asked, checked, ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from clipd.decode.decoder_answer import (
    decoded_in,
    drawn_in,
    fitted_in,
    hash_in,
    headers_in,
    refusal_in,
)
from clipd.decode.opening import OpenPhoto
from clipd.decode.sandbox import MOST_THREADS
from clipd.decode.settings import Claim, Settings
from clipd.errors import ChildError, PictureError, ShortageError
from clipd.json_types import JsonObject
from clipd.photo import Decoded, Drawn, Fitted, Headers, Meta
from clipd.process.channel import Channel, Message
from clipd.process.child import Child
from clipd.process.seals import Seals
from clipd.process.thread_limit import ThreadLimit

_START_SECONDS: Final = 60.0
# A slow disk or network is no fault of the file: reading gets this much longer per byte.
_SLOWEST_BYTES_PER_SECOND: Final = 4 << 20
# For one that was killed some time ago: a stop has ten seconds in all, and waits for it last.
_ABORTED_SECONDS: Final = 1.0
_MOST_DRAWN_BYTES: Final = 8 << 20
_ENVIRONMENT: Final = {
    # One arena: every thread of a codec would reserve 64 MiB more of the bounded address space.
    "MALLOC_ARENA_MAX": "1",
    # numpy comes with the raw extra, and would start a thread per core.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


class Decoder:
    """A sandboxed child process. For one thread, but `abort` is for any.

    What it sends is checked: it may have been taken over by the file that it decoded.
    """

    def __init__(
        self, settings: Settings, timeout_seconds: float, module: str = "clipd.decode.decode_worker"
    ) -> None:
        """Start the child and wait until it is sealed.

        Raises:
            ChildError: it did not start, which is no fault of any file.
        """
        self._settings = settings
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()  # guards _ended
        self._ended = False
        self._expired = threading.Event()
        self._is_aborted = threading.Event()
        self.served = 0
        try:
            self._child = Child(
                module, [settings.to_json()], environment=_ENVIRONMENT, nice=settings.nice
            )
        except OSError as error:
            raise ChildError(f"cannot start a decoder: {error.strerror}") from error
        self._thread_limit: ThreadLimit | None = None
        self.seals = self._wait_until_sealed()

    @property
    def reads_raw(self) -> bool:
        """Whether it was started with what raw pictures need."""
        return self._settings.with_raw

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def has_ended(self) -> bool:
        """Whether it has been ended, because it died or lied."""
        with self._lock:
            return self._ended

    def decode(self, photo: OpenPhoto, wanted: Callable[[bytes], bool]) -> Decoded:
        """Decode one open file.

        Args:
            photo: stays the caller's.
            wanted: whether the picture of a content hash is needed.

        Raises:
            PictureError: why there is no picture. When `has_ended` now, another decoder may
                be tried.
            ShortageError: no thread can be started.
        """
        with self._serving(photo):
            return self._ask(self._child.lanes[0], photo, wanted)

    def read_headers(self, photo: OpenPhoto) -> Headers:
        """Read what one open file says of itself; see `decode` for arguments and errors."""
        with self._serving(photo):
            lane = self._child.lanes[0]
            _send(lane, photo, headers_only=True)
            return headers_in(self._receive(lane, 0), photo)

    def draw(self, photo: OpenPhoto, side: int, claim: Claim | None = None) -> Drawn:
        """Make a thumbnail of one open file; see `decode` for the errors.

        Args:
            side: pixels of its longer side.
            claim: what the file, a thumbnail itself, must say of itself; it is refused otherwise.
        """
        with self._serving(photo):
            lane = self._child.lanes[0]
            _send(lane, photo, box=(side, side), as_jpeg=True, claim=claim)
            return drawn_in(self._receive(lane, _MOST_DRAWN_BYTES), photo, side)

    def fit(self, photo: OpenPhoto, box: tuple[int, int]) -> Fitted:
        """Make pixels of one open file that fit into a box; see `decode` for the errors."""
        with self._serving(photo):
            lane = self._child.lanes[0]
            _send(lane, photo, box=box)
            return fitted_in(self._receive(lane, 3 * box[0] * box[1]), photo, box)

    @contextmanager
    def _serving(self, photo: OpenPhoto) -> Iterator[None]:
        """Bound the time for a file, and take the death of the child for an answer."""
        self.served += 1
        reading_seconds = photo.fingerprint.size_bytes / _SLOWEST_BYTES_PER_SECOND
        try:
            with self._deadline(self._timeout_seconds + reading_seconds):
                yield
        except ChildError as error:
            raise self._death(self.end()) from error

    def end(self, *, at_once: bool = False) -> int:
        """End the child and reap it; return its exit status, negative for a signal."""
        with self._lock:
            self._ended = True
        if self._is_aborted.is_set():
            status = self._child.kill(_ABORTED_SECONDS)
        else:
            status = self._child.kill() if at_once else self._child.stop()
        if self._thread_limit is not None:
            self._thread_limit.join()
        return status

    def abort(self) -> None:
        """Kill the child under the hands of the thread that waits for it."""
        with self._lock:
            if not self._ended:
                self._is_aborted.set()
                os.kill(self._child.pid, signal.SIGKILL)
                # One that waits for its disk outlives that, and its end of the lane with it.
                self._child.lanes[0].shut()

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        """Kill the child when the block takes longer.

        A timeout of the socket would not do: it starts anew with every byte that arrives.
        """
        timer = threading.Timer(seconds, self._expire)
        timer.name = f"{threading.current_thread().name}-deadline"
        try:
            timer.start()
        except RuntimeError as error:
            raise ShortageError("no thread can be started to watch over a decoder") from error
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _expire(self) -> None:
        self._expired.set()
        self.abort()

    def _wait_until_sealed(self) -> Seals:
        lane = self._child.lanes[0]
        lane.set_timeout(_START_SECONDS)
        try:
            hello = lane.receive(0)
        except (TimeoutError, ChildError):
            hello = None
        lane.set_timeout(None)  # from here on `_deadline` bounds the whole exchange
        if hello is None:
            status = self.end()
            raise ChildError(
                f"a decoder did not start (exit status {status}); what it said is in the log"
                f" above, and decoder.memory ({self._settings.memory_bytes:,} bytes) may be too low"
            )
        try:
            for listener in hello.fds:
                self._thread_limit = ThreadLimit(listener, self._child.pid, MOST_THREADS)
        except RuntimeError as error:
            self.end(at_once=True)
            raise ChildError("no thread can be started to watch over a decoder") from error
        return Seals.from_json(hello.header)

    def _ask(self, lane: Channel, photo: OpenPhoto, wanted: Callable[[bytes], bool]) -> Decoded:
        _send(lane, photo)
        content_hash = hash_in(self._receive(lane, 0))
        is_wanted = wanted(content_hash)
        lane.send({"wanted": is_wanted})
        if not is_wanted:
            return Decoded(content_hash, photo.fingerprint, 0, 0, "", Meta(), None)
        target = self._settings.target
        return decoded_in(self._receive(lane, target.size_bytes), content_hash, photo, target)

    def _receive(self, lane: Channel, max_body_bytes: int) -> Message:
        message = lane.receive(max_body_bytes)
        if message is None:
            raise ChildError("a decoder ended without an answer")
        for fd in message.fds:
            os.close(fd)
        if "kind" in message.header:
            raise refusal_in(message.header)
        return message

    def _death(self, status: int) -> PictureError:
        if self._expired.is_set():
            limit = f"{self._timeout_seconds:g} s (decoder.timeout)"
            return PictureError("timeout", f"decoding took longer than {limit}")
        if status == -signal.SIGXCPU:
            return PictureError("timeout", "decoding used more processor time than allowed")
        if status == -signal.SIGKILL:
            # Nobody here did it. When memory runs out, the kernel kills what is expendable.
            reason = "the decoder was killed, most likely for want of memory on this machine"
            return PictureError("memory", reason)
        if status < 0:
            name = signal.strsignal(-status) or f"signal {-status}"
            return PictureError("crash", f"the decoder died of it: {name.lower()}")
        return PictureError("crash", f"the decoder ended with status {status}")


def _send(
    lane: Channel,
    photo: OpenPhoto,
    *,
    headers_only: bool = False,
    box: tuple[int, int] | None = None,
    as_jpeg: bool = False,
    claim: Claim | None = None,
) -> None:
    fds = [photo.fd] if photo.sidecar is None else [photo.fd, photo.sidecar.fd]
    header: JsonObject = {
        "format": photo.format,
        "headers_only": headers_only,
        "box": None if box is None else [*box],
        "as_jpeg": as_jpeg,
        "claim": None if claim is None else claim.to_json(),
    }
    lane.send(header, fds=fds)
