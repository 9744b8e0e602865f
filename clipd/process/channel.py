"""Messages between clipd and its children: a JSON header, raw bytes, file descriptors.

No pickle: what a child sends is data, checked for size before it is read.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from clipd.errors import ChildError
from clipd.json_types import JsonObject

_LENGTHS = struct.Struct("!II")  # bytes of header, bytes of body
MAX_HEADER_BYTES = 1 << 20
MAX_FDS = 4
_AT_ONCE_BYTES = 32 << 20  # a batch of pictures fits


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a header, a body, and the descriptors that came with it (the receiver's)."""

    header: JsonObject
    body: bytearray = field(default_factory=bytearray)
    fds: tuple[int, ...] = ()


class Channel:
    """One end of a stream socket that carries messages. Not for two threads at once."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        """Return the descriptor of the socket.

        Raises:
            OSError: it is closed.
        """
        number = self._sock.fileno()
        if number < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return number

    def set_timeout(self, seconds: float | None) -> None:
        """Bound every later send and receive call; ``TimeoutError`` when one runs over."""
        self._sock.settimeout(seconds)

    def send(
        self,
        header: JsonObject,
        body: bytes | bytearray | memoryview = b"",
        fds: Sequence[int] = (),
    ) -> None:
        """Send one message.

        Raises:
            ChildError: the other end is gone.
            TimeoutError: the timeout passed.
        """
        head = json.dumps(header, ensure_ascii=True).encode()
        view = memoryview(body)
        view = view.cast("B") if view.nbytes else memoryview(b"")  # an empty array cannot be cast
        start = _LENGTHS.pack(len(head), view.nbytes) + head
        try:
            sent = socket.send_fds(self._sock, [start], fds) if fds else 0
            self._sock.sendall(start[sent:])
            if view.nbytes:  # even sending nothing fails when the other end has what it wants
                self._sock.sendall(view)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChildError("the other end of a channel is gone") from error

    def receive(self, max_body_bytes: int, *, within: float | None = None) -> Message | None:
        """Wait for one message; None when the other end has closed.

        Args:
            max_body_bytes: the largest body to take.
            within: seconds for the whole of it, which a sender that stalls in its middle uses up.

        Raises:
            ChildError: the message is too large, cut short or not JSON.
            TimeoutError: the timeout passed, or `within`.
        """
        ends = None if within is None else time.monotonic() + within
        self._wait_until(ends)
        try:
            first, fds, _, _ = socket.recv_fds(self._sock, _LENGTHS.size, MAX_FDS)
        except ConnectionResetError:
            return None
        if not first:
            return None
        try:
            return self._rest(bytes(first), tuple(fds), max_body_bytes, ends)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise

    def shut(self) -> None:
        """End a wait of another thread, which finds the other end gone; for any thread."""
        with suppress(OSError):  # it is gone already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _rest(
        self, first: bytes, fds: tuple[int, ...], max_body_bytes: int, ends: float | None
    ) -> Message:
        lengths = first + self._exactly(_LENGTHS.size - len(first), ends)
        head_bytes, body_bytes = _LENGTHS.unpack(lengths)
        if head_bytes > MAX_HEADER_BYTES or body_bytes > max_body_bytes:
            raise ChildError(f"a message of {head_bytes} + {body_bytes} bytes is over the limit")
        try:
            header = json.loads(self._exactly(head_bytes, ends))
        except (ValueError, RecursionError) as error:  # the second: brackets without end
            raise ChildError("a message has a header that is not JSON") from error
        if not isinstance(header, dict):
            raise ChildError("a message has a header that is not an object")
        return Message(header, self._exactly(body_bytes, ends), fds)

    def _wait_until(self, ends: float | None) -> None:
        """Let the next call last until then at most."""
        if ends is not None:
            left = ends - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)

    def _exactly(self, count: int, ends: float | None) -> bytearray:
        data = bytearray(min(count, _AT_ONCE_BYTES))
        self._fill(memoryview(data), ends)
        while len(data) < count:  # memory only for what has come, not for what was announced
            more = bytearray(min(count - len(data), len(data)))
            self._fill(memoryview(more), ends)
            data += more
        return data

    def _fill(self, view: memoryview, ends: float | None) -> None:
        while view:
            self._wait_until(ends)
            try:
                received = self._sock.recv_into(view)
            except ConnectionResetError:
                received = 0
            if not received:
                raise ChildError("a message was cut short: the other end is gone")
            view = view[received:]
