"""What lies between a test and a process: sockets, paths in answers, waiting."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

PATIENCE_SECONDS = 120.0  # for what takes a second or two when the machine is free


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("clipd", timeout=PATIENCE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        # Without a timeout in Python: its sockets do not block then, and a Unix socket that does
        # not block is refused (EAGAIN) where others wait until the queue of the server has room.
        patience = struct.pack("ll", int(PATIENCE_SECONDS), 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        self.sock.connect(str(self._path))
        self.sock.settimeout(self.timeout)


class Notifications:
    """The socket that a service manager would listen on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.1)
        self.seen: list[str] = []

    def await_word(self, word: str, is_alive: Callable[[], bool], seconds: float) -> bool:
        """Wait until a line is sent; False when the sender ends first."""
        deadline = time.monotonic() + seconds
        while word not in self.seen:
            running = is_alive()  # asked first: what it sent before its end still counts
            try:
                self.seen += self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                if not running:
                    return False
                assert time.monotonic() < deadline, f"no {word} in {seconds:.0f} s: {self.seen}"
        return True

    def drain(self) -> list[str]:
        """Take in what has been sent, without waiting; return all lines so far."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.seen += self._socket.recv(4096).decode().splitlines()
        self._socket.settimeout(0.1)
        return self.seen

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def wait_until(
    condition: Callable[[], object],
    seconds: float = PATIENCE_SECONDS,
    what: str | Callable[[], str] = "",
) -> None:
    """Ask again and again until the condition holds.

    The state of another process cannot be waited on, so this is the one place that polls.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        threading.Event().wait(0.03)


def path_of(row: Mapping[str, Any]) -> bytes:
    """Return the true bytes of a path in an answer."""
    whole = row.get("path_b64")
    return base64.b64decode(whole) if whole else os.fsencode(row["path"])


def paths_of(hits: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Return every path of every hit, best first."""
    return [path_of(row) for hit in hits for row in (hit, *_also(hit))]


def _also(hit: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row if isinstance(row, dict) else {"path": row} for row in hit.get("also", ())]
