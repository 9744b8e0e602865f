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
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from clipd.config.socketpath import MAX_SOCKET_PATH_BYTES, is_too_long, socket_path
from clipd.ctl.answer_wait import ANSWER_SECONDS, PING_SECONDS, AnswerWait
from clipd.ctl.service_advice import how_to_look, how_to_restart, how_to_start
from clipd.errors import NotRunningError, QueryError, RequestError
from clipd.json_types import JsonObject

_PIECE_BYTES = 1 << 16
# A clipd that reads a changed configuration, or opens its catalog anew, stops and starts within
# its process. It stops answering at most so long after it has begun to refuse.
RESTART_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 0.1
_END_OF_HEAD = b"\r\n"  # the empty line behind the headers
_TIMEVAL = struct.Struct("ll")  # seconds, microseconds


class _Request(NamedTuple):  # not a dataclass, whose module is 5 ms that clipctl starts later
    method: str
    address: str
    body: bytes | BinaryIO = b""
    kind: str = "application/json"

    def head(self) -> bytes:
        body = self.body
        size = len(body) if isinstance(body, bytes) else os.fstat(body.fileno()).st_size
        return (
            f"{self.method} {self.address} HTTP/1.0\r\nHost: clipd\r\n"
            f"Content-Type: {self.kind}\r\nContent-Length: {size}\r\n\r\n"
        ).encode("ascii")

    def pieces(self) -> Iterator[bytes]:
        yield self.head()
        if isinstance(self.body, bytes):
            yield self.body
            return
        self.body.seek(0)  # it may have been sent before
        while piece := self.body.read(_PIECE_BYTES):
            yield piece


class Client:
    """A client of the daemon at one socket; one request, one connection.

    Every method raises ``NotRunningError`` when no daemon answers at the socket, and
    ``RequestError`` when it refuses, with its code and sentence. What is refused because the
    daemon stops is asked again for some seconds, where that does no harm: it may be back at once.
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
        return self._ask_patiently(_Request("GET", _address(route, query)))

    def fetch(self, route: str, query: JsonObject) -> bytes:
        """Ask for something that is not JSON, such as a picture."""
        return self.fetch_with_headers(route, query)[1]

    def fetch_with_headers(self, route: str, query: JsonObject) -> tuple[dict[str, str], bytes]:
        """Ask for something that is described by its headers; their names are in lower case."""
        with self._asking(_Request("GET", _address(route, query))) as pieces:
            answer = b"".join(pieces)
        if not answer:
            raise self._went_away()
        head, _, body = answer.partition(b"\r\n\r\n")
        if _status(head) >= 400:
            raise _refusal(_object(body), _status(head))
        return _headers(head), body

    def post(
        self, route: str, value: JsonObject | None = None, *, is_repeatable: bool = True
    ) -> JsonObject:
        """Ask for something to be done, or with more than an address can say.

        Args:
            is_repeatable: whether to ask twice is the same as to ask once.
        """
        request = _Request("POST", route, json.dumps(value or {}).encode("ascii"))
        return self._ask_patiently(request) if is_repeatable else self._ask(request)

    def upload(self, route: str, file: BinaryIO, query: JsonObject) -> JsonObject:
        """Ask with a picture's bytes, to the size that the file has now."""
        return self._ask_patiently(
            _Request("POST", _address(route, query), file, "application/octet-stream")
        )

    def follow(self, route: str, value: JsonObject) -> Iterator[JsonObject]:
        """Ask for something that takes long; yield the lines of its answer as they come.

        A refusal among them is raised. Whoever stops to listen has the daemon end the work.
        """
        request = _Request("POST", route, json.dumps(value).encode("ascii"))
        with self._asking(request) as pieces:
            lines = _lines(pieces)
            head = b"".join(iter(lambda: next(lines, _END_OF_HEAD), _END_OF_HEAD))
            if not head:
                raise self._went_away()
            if _status(head) >= 400:
                yield _value(head + _END_OF_HEAD + b"".join(lines))
            yield from map(_line_value, lines)

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

    def _ask_patiently(self, request: _Request) -> JsonObject:
        deadline = time.monotonic() + min(RESTART_SECONDS, self._seconds)
        while True:
            try:
                return self._ask(request)
            except RequestError as error:
                if error.code != "stopping" or time.monotonic() > deadline:
                    raise
            threading.Event().wait(_ASK_AGAIN_SECONDS)

    def _ask(self, request: _Request) -> JsonObject:
        with self._asking(request) as pieces:
            answer = b"".join(pieces)
        if not answer:
            raise self._went_away()
        return _value(answer)

    @contextmanager
    def _asking(self, request: _Request) -> Iterator[Iterator[bytes]]:
        """Send a request; yield the pieces of its answer, to be read in the block."""
        wait = AnswerWait(self._seconds, self._is_alive, self._on_silence)
        with self._connect() as sock:
            wait.applies_to(sock)
            # A request that is refused before it was sent whole breaks off; the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                for piece in request.pieces():
                    _send(sock, piece, wait)
            yield _received(sock, wait)

    def _went_away(self) -> NotRunningError:
        return NotRunningError(
            f"clipd at {self._path} went away before it answered; {how_to_look()}"
        )

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
                socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(min(PING_SECONDS, self._seconds))
            )
            sock.connect(os.fspath(self._path))
        except BlockingIOError as error:
            sock.close()
            raise NotRunningError(
                f"clipd does not answer at {self._path}: others wait there already; "
                f"{how_to_restart()}"
            ) from error
        except OSError as error:
            sock.close()
            reason = (
                f"{self._path} belongs to another user"
                if isinstance(error, PermissionError)
                else f"clipd does not run (no answer at {self._path})"
            )
            raise NotRunningError(f"{reason}; {how_to_start()}") from error
        return sock


def _timeval(seconds: float) -> bytes:
    return _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))


def _address(route: str, query: JsonObject | None) -> str:
    if not query:
        return route
    from urllib.parse import urlencode  # here, because it takes 2 ms and few commands need it

    return f"{route}?{urlencode(query)}"


def _send(sock: socket.socket, piece: bytes, wait: AnswerWait) -> None:
    rest = memoryview(piece)
    while rest:
        try:
            rest = rest[sock.send(rest) :]
        except TimeoutError:
            wait.was_tried(sock)


def _received(sock: socket.socket, wait: AnswerWait) -> Iterator[bytes]:
    with suppress(ConnectionResetError):  # what came before is an answer all the same
        while True:
            try:
                piece = sock.recv(_PIECE_BYTES)
            except TimeoutError:
                wait.was_tried(sock)
                continue
            if not piece:
                break
            yield piece


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line + b"\n" for line in lines)
    if rest:
        yield rest


def _value(answer: bytes) -> JsonObject:
    """Take an answer apart: ``HTTP/1.1 200 OK``, headers, JSON."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = _status(head)
    value = _object(body)
    if status >= 400:
        raise _refusal(value, status)
    return value


def _line_value(line: bytes) -> JsonObject:
    """Take a line of an answer that comes in lines; its refusals come without a status."""
    value = _object(line)
    if "error" in value:
        raise _refusal(value, 503)
    return value


def _status(head: bytes) -> int:
    try:
        word, status = head.split(maxsplit=2)[:2]
        number = int(status)
    except ValueError as error:
        raise _not_clipd() from error
    if not word.startswith(b"HTTP/"):
        raise _not_clipd()
    return number


def _headers(head: bytes) -> dict[str, str]:
    rows = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in rows}


def _object(body: bytes) -> JsonObject:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise _not_clipd() from error
    if not isinstance(value, dict):
        raise _not_clipd()
    return value


def _refusal(value: JsonObject, status: int) -> Exception:
    error = value.get("error")
    if not isinstance(error, dict):
        return _not_clipd()
    message = str(error.get("message"))
    span = error.get("span")
    if isinstance(span, list) and len(span) == 2:
        start, end = span
        if isinstance(start, int) and isinstance(end, int):
            return QueryError(message, (start, end))
    return RequestError(str(error.get("code")), message, status)


def _not_clipd() -> NotRunningError:
    return NotRunningError(
        "what answers at the socket is not clipd, or broke off; check CLIPD_SOCKET"
    )
