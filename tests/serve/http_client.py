"""Clients of the tests: the well-behaved one, and bare bytes for the others."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipd.serve.lanes import MODEL_THREADS, QUICK_THREADS, SEARCH_THREADS, THUMBNAIL_THREADS
from tests.serve.answering import HITS, GivenService

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    value: Any  # what json.loads makes of the body

    @property
    def code(self) -> str:
        return str(self.value["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.value["error"]["message"])


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect(str(path))
        yield sock


def read_reply(sock: socket.socket) -> Reply:
    response = http.client.HTTPResponse(sock)
    response.begin()
    body = response.read()
    assert response.getheader("content-type") == "application/json"
    assert b"Traceback" not in body
    headers = {key.lower(): value for key, value in response.getheaders()}
    return Reply(response.status, headers, json.loads(body))


def fetch(path: Path, address: str) -> tuple[int, dict[str, str], bytes]:
    """Return the status, the headers and the body of an answer of any kind."""
    with connected(path) as sock:
        sock.sendall(f"GET {address} HTTP/1.1\r\nHost: clipd\r\n\r\n".encode())
        response = http.client.HTTPResponse(sock)
        response.begin()
        headers = {key.lower(): value for key, value in response.getheaders()}
        return response.status, headers, response.read()


def say_bytes(path: Path, data: bytes) -> Reply:
    with connected(path) as sock:
        with suppress(BrokenPipeError):  # refused before it was sent whole
            sock.sendall(data)
        return read_reply(sock)


def ask(
    path: Path,
    method: str,
    address: str,
    body: object = None,
    kind: str = "application/json",
) -> Reply:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {address} HTTP/1.1\r\nHost: clipd\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n"
    )
    return say_bytes(path, head.encode() + raw)


def warm_up(path: Path, service: GivenService) -> None:
    """Make a server that several tests share start all of its threads now."""
    for address, threads, needs_model in (
        (f"/v1/photos/{HITS[0].photo}/thumbnail", THUMBNAIL_THREADS, False),
        ("/v1/status", QUICK_THREADS, False),
        ("/v1/search?q=x", SEARCH_THREADS, False),
        ("/v1/search?q=x", MODEL_THREADS, True),
    ):
        together = threading.Barrier(threads)

        def meet(together: threading.Barrier = together) -> None:
            together.wait(PATIENCE_SECONDS)

        service.before_search = service.before_status = meet
        service.before_thumbnail = lambda photo, meet=meet: meet()  # type: ignore[misc]
        service.needs_model = needs_model
        with ThreadPoolExecutor(threads) as asking:
            replies = [asking.submit(_status_of, path, address) for _ in range(threads)]
        assert {reply.result() for reply in replies} == {200}
    assert ask(path, "POST", "/v1/forget", {"model": "old"}).status == 200
    service.before_search = service.before_status = lambda: None
    service.before_thumbnail = lambda photo: None
    service.needs_model = False


def _status_of(path: Path, address: str) -> int:
    return fetch(path, address)[0]


def is_closed_by_server(sock: socket.socket) -> bool:
    """Wait until the server closes; False when it goes on talking."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
