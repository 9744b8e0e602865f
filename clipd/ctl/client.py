"""Ask the daemon: one request over its Unix socket."""

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
from typing import BinaryIO, TypeVar

from clipd.config.socketpath import MAX_SOCKET_PATH_BYTES, is_too_long
from clipd.ctl.answer_wait import ANSWER_SECONDS, PING_SECONDS, AnswerWait
from clipd.ctl.destination import asked_socket, is_own
from clipd.ctl.http_answer import (
    headers_of,
    line_value,
    lines_of,
    object_of,
    refusal_of,
    status_of,
    value_of,
)
from clipd.ctl.http_request import HttpRequest, address_of
from clipd.ctl.service_advice import FAR_ADVICE, how_to_look, how_to_restart, how_to_start
from clipd.errors import NotRunningError, RequestError
from clipd.json_types import JsonObject

T = TypeVar("T")

_PIECE_BYTES = 1 << 16
# A clipd that reads a changed configuration, or opens its catalog anew, stops and starts within
# its process. It stops answering at most so long after it has begun to refuse.
RESTART_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 0.1
_END_OF_HEAD = b"\r\n"  # the empty line behind the headers
_SHORTEST_SECONDS = 0.001  # 0 would mean no end
_TIMEVAL = struct.Struct("ll")  # seconds, microseconds


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
            path: the socket; None: that of the daemon which clipctl is to ask.
            seconds: how long to wait for an answer of a daemon that lives.
            on_silence: called when an answer does not come at once.
        """
        self._path = path or asked_socket()
        self._is_own = is_own(self._path)
        self._seconds = seconds
        self._on_silence = on_silence

    def get(self, route: str, query: JsonObject | None = None) -> JsonObject:
        """Ask for something."""
        request = HttpRequest("GET", address_of(route, query))
        return self._patiently(lambda: self._ask(request))

    def fetch(self, route: str, query: JsonObject) -> bytes:
        """Ask for something that is not JSON, such as a picture."""
        return self.fetch_with_headers(route, query)[1]

    def fetch_with_headers(self, route: str, query: JsonObject) -> tuple[dict[str, str], bytes]:
        """Ask for something that is described by its headers; their names are in lower case."""
        request = HttpRequest("GET", address_of(route, query))
        return self._patiently(lambda: self._fetched(request))

    def _fetched(self, request: HttpRequest) -> tuple[dict[str, str], bytes]:
        with self._asking(request) as pieces:
            answer = b"".join(pieces)
        if not answer:
            raise self._went_away()
        head, _, body = answer.partition(b"\r\n\r\n")
        if status_of(head) >= 400:
            raise refusal_of(object_of(body), status_of(head))
        return headers_of(head), body

    def post(
        self, route: str, value: JsonObject | None = None, *, is_repeatable: bool = True
    ) -> JsonObject:
        """Ask for something to be done, or with more than an address can say.

        Args:
            is_repeatable: whether to ask twice is the same as to ask once.
        """
        request = HttpRequest("POST", route, json.dumps(value or {}).encode("ascii"))
        if not is_repeatable:
            return self._ask(request)
        return self._patiently(lambda: self._ask(request))

    def upload(self, route: str, file: BinaryIO, query: JsonObject) -> JsonObject:
        """Ask with a picture's bytes, to the size that the file has now."""
        address = address_of(route, query)
        request = HttpRequest("POST", address, file, "application/octet-stream")
        return self._patiently(lambda: self._ask(request))

    def follow(self, route: str, value: JsonObject) -> Iterator[JsonObject]:
        """Ask for something that takes long; yield the lines of its answer as they come.

        A refusal among them is raised. Whoever stops to listen has the daemon end the work.
        """
        request = HttpRequest("POST", route, json.dumps(value).encode("ascii"))
        with self._asking(request) as pieces:
            lines = lines_of(pieces)
            head = b"".join(iter(lambda: next(lines, _END_OF_HEAD), _END_OF_HEAD))
            if not head:
                raise self._went_away()
            if status_of(head) >= 400:
                yield value_of(head + _END_OF_HEAD + b"".join(lines))
            yield from map(line_value, lines)

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

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask, and ask again where the daemon stops: it may be back at once."""
        deadline = time.monotonic() + min(RESTART_SECONDS, self._seconds)
        while True:
            try:
                return ask()
            except RequestError as error:
                if error.code != "stopping" or time.monotonic() > deadline:
                    raise
            threading.Event().wait(_ASK_AGAIN_SECONDS)

    def _ask(self, request: HttpRequest) -> JsonObject:
        with self._asking(request) as pieces:
            answer = b"".join(pieces)
        if not answer:
            raise self._went_away()
        return value_of(answer)

    @contextmanager
    def _asking(self, request: HttpRequest) -> Iterator[Iterator[bytes]]:
        """Send a request; yield the pieces of its answer, to be read in the block."""
        far = None if self._is_own else self._path
        wait = AnswerWait(self._seconds, self._is_alive, self._on_silence, far)
        with self._connect() as sock:
            wait.applies_to(sock)
            # A request that is refused before it was sent whole breaks off; the answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                for piece in request.pieces():
                    _send(sock, piece, wait)
            yield _received(sock, wait)

    def _went_away(self) -> NotRunningError:
        if self._is_own:
            reason = f"clipd at {self._path} went away before it answered"
            return NotRunningError(reason, how_to_look())
        # What ssh listens on is open, whether or not anything listens at the other end.
        return NotRunningError(f"what listens on {self._path} closed without an answer", FAR_ADVICE)

    def _connect(self) -> socket.socket:
        if is_too_long(self._path):
            raise NotRunningError(
                f"the socket path {self._path} has more than {MAX_SOCKET_PATH_BYTES} bytes",
                "set CLIPD_SOCKET to the path of clipd's socket"
                if self._is_own
                else "make it at a shorter one",
            )
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _connect_within(sock, self._path, min(PING_SECONDS, self._seconds))
        except OSError as error:
            sock.close()
            raise self._unreachable(error) from error
        return sock

    def _unreachable(self, error: OSError) -> NotRunningError:
        if isinstance(error, BlockingIOError):
            reason = f"clipd does not answer at {self._path}: others wait there already"
            return NotRunningError(reason, how_to_restart() if self._is_own else FAR_ADVICE)
        if isinstance(error, PermissionError):
            reason = f"{self._path} belongs to another user"
        elif self._is_own:
            reason = f"clipd does not run (no answer at {self._path})"
        elif isinstance(error, FileNotFoundError):
            reason = f"there is no socket {self._path}"
        else:
            reason = f"nothing listens on {self._path}"
        return NotRunningError(reason, how_to_start() if self._is_own else FAR_ADVICE)


def _connect_within(sock: socket.socket, path: Path, seconds: float) -> None:
    """Connect to a Unix socket, or raise the OSError that says why not."""
    deadline = time.monotonic() + seconds
    while True:
        # Not settimeout(): a Unix socket whose queue is full would then refuse at once.
        left = max(deadline - time.monotonic(), _SHORTEST_SECONDS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(left))
        sock.connect(os.fspath(path))
        if _is_connected(sock):
            return


def _is_connected(sock: socket.socket) -> bool:
    """Whether it is: where a stop and a continue (Ctrl-Z, fg) broke in, Python only thinks so."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _timeval(seconds: float) -> bytes:
    return _TIMEVAL.pack(int(seconds), int(seconds % 1 * 1e6))


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
