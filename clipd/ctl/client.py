"""Ask the daemon: one request over its Unix socket.

HTTP/1.0, in which the end of the connection is the end of the answer, so that a dozen lines
of socket do: importing ``http.client`` (email, ssl) took 20 of the 59 ms that clipctl needed
to start (measured 2026-11).
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from clipd.config.socketpath import MAX_SOCKET_PATH_BYTES, is_too_long, socket_path
from clipd.ctl.answer_wait import ANSWER_SECONDS, PING_SECONDS, AnswerWait
from clipd.errors import NotRunningError, RequestError
from clipd.json_types import JsonObject

START = "start it with: systemctl --user start clipd"
_PIECE_BYTES = 1 << 16
_TIMEVAL = struct.Struct("ll")  # seconds, microseconds


class Client:
    """A client of the daemon at one socket; one request, one connection.

    Every method raises ``NotRunningError`` when no daemon answers at the socket, and
    ``RequestError`` when it refuses, with its code and sentence.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        on_silence: Callable[[], None] | None = None,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            path: the socket; None: that of the user's daemon.
            seconds: how long to wait for an answer of a daemon that lives.
            on_silence: called when an answer does not come at once.
        """
        self._path = path or socket_path()
        self._seconds = seconds
        self._on_silence = on_silence

    def get(self, route: str, query: JsonObject | None = None) -> JsonObject:
        """Ask for something."""
        return self._ask("GET", _address(route, query))

    def post(self, route: str, value: JsonObject | None = None) -> JsonObject:
        """Ask for something to be done, or with more than an address can say."""
        return self._ask("POST", route, json.dumps(value or {}).encode("ascii"))

    def upload(self, route: str, file: BinaryIO, query: JsonObject) -> JsonObject:
        """Ask with a picture's bytes, to the size that the file has now."""
        return self._ask("POST", _address(route, query), file, "application/octet-stream")

    def ping(self) -> JsonObject:
        """Ask whether the daemon lives; it answers at once, whatever else it does."""
        return Client(self._path, seconds=PING_SECONDS).get("/v1/ping")

    def _is_alive(self) -> bool:
        if self._seconds <= PING_SECONDS:
            return False  # this is the ping
        try:
            self.ping()
        except NotRunningError:
            return False
        except RequestError:
            return True  # it says that it has too much to do
        return True

    def _ask(
        self,
        method: str,
        address: str,
        body: bytes | BinaryIO = b"",
        kind: str = "application/json",
    ) -> JsonObject:
        size = len(body) if isinstance(body, bytes) else os.fstat(body.fileno()).st_size
        head = (
            f"{method} {address} HTTP/1.0\r\nHost: clipd\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
        )
        wait = AnswerWait(self._seconds, self._is_alive, self._on_silence)
        with self._connect() as sock:
            wait.applies_to(sock)
            # A request that is refused before it was sent whole breaks off; the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                for piece in (head.encode("ascii"), *_pieces(body)):
                    _send(sock, piece, wait)
            answer = _read_to_end(sock, wait)
        if not answer:
            raise NotRunningError(
                f"clipd at {self._path} went away before it answered; "
                "see: systemctl --user status clipd"
            )
        return _value(answer)

    def _connect(self) -> socket.socket:
        if is_too_long(self._path):
            raise NotRunningError(
                f"the socket path {self._path} has more than {MAX_SOCKET_PATH_BYTES} bytes; "
                "set CLIPD_SOCKET to the path of clipd's socket"
            )
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Not settimeout(): a Unix socket whose queue is full would then refuse at once.
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(PING_SECONDS), 0)
            )
            sock.connect(os.fspath(self._path))
        except BlockingIOError as error:
            sock.close()
            raise NotRunningError(
                f"clipd does not answer at {self._path}: others wait there already; "
                "start it anew with: systemctl --user restart clipd"
            ) from error
        except OSError as error:
            sock.close()
            reason = (
                f"{self._path} belongs to another user"
                if isinstance(error, PermissionError)
                else f"clipd does not run (no answer at {self._path})"
            )
            raise NotRunningError(f"{reason}; {START}") from error
        return sock


def _address(route: str, query: JsonObject | None) -> str:
    if not query:
        return route
    from urllib.parse import urlencode  # here, because it takes 2 ms and few commands need it

    return f"{route}?{urlencode(query)}"


def _pieces(body: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    while piece := body.read(_PIECE_BYTES):
        yield piece


def _send(sock: socket.socket, piece: bytes, wait: AnswerWait) -> None:
    rest = memoryview(piece)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except TimeoutError:
            wait.was_tried(sock)


def _read_to_end(sock: socket.socket, wait: AnswerWait) -> bytes:
    answer = bytearray()
    with suppress(ConnectionResetError):  # what came before is an answer all the same
        while True:
            try:
                piece = sock.recv(_PIECE_BYTES)
            except TimeoutError:
                wait.was_tried(sock)
                continue
            if not piece:
                break
            answer += piece
    return bytes(answer)


def _value(answer: bytes) -> JsonObject:
    """Take an answer apart: ``HTTP/1.1 200 OK``, headers, JSON."""
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        status = int(head.split(maxsplit=2)[1])
        value = json.loads(body)
    except (ValueError, IndexError) as error:
        raise _not_clipd() from error
    if not head.startswith(b"HTTP/") or not isinstance(value, dict):
        raise _not_clipd()
    if status >= 400:
        raise _refusal(value, status)
    return value


def _refusal(value: JsonObject, status: int) -> Exception:
    error = value.get("error")
    if not isinstance(error, dict):
        return _not_clipd()
    return RequestError(str(error.get("code")), str(error.get("message")), status)


def _not_clipd() -> NotRunningError:
    return NotRunningError(
        "what answers at the socket is not clipd, or broke off; check CLIPD_SOCKET"
    )
