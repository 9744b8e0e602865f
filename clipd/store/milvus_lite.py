"""Milvus Lite as a child of clipd, behind a Unix socket.

pymilvus would run it on threads of this process and a port of the loopback: clipd's unit allows no
such port, every user of the machine could read and write there, and searches would wait for it.
"""

from __future__ import annotations

import os
import select
from pathlib import Path
from urllib.parse import quote

from clipd.errors import ChildError, IndexAwayError
from clipd.process.child import Child

_LONGEST_PATH = 107  # bytes, unix(7)
_END_SECONDS = 3.0


def grpc_address(file: Path) -> str:
    """Return what gRPC calls a socket: it reads a path as a part of a URI.

    The last letter is written out as well, since pymilvus takes what ends with .db for a file.
    """
    path = os.fsencode(file)
    return f"unix:{quote(path[:-1])}%{path[-1]:02X}"


class LiteServer:
    """At most one child. For the thread that writes the index."""

    def __init__(self, folder: Path) -> None:
        """Name it; nothing runs yet.

        Args:
            folder: of its data; made when it is not there.
        """
        self.folder = folder
        self.socket = folder.with_name(folder.name + ".sock")
        self._child: Child | None = None
        self._is_ready = False
        self._problem = ""  # of the last start, told while the next one is under way

    def start(self, within_seconds: float) -> None:
        """Have it run, which takes a second or two.

        Raises:
            IndexAwayError: it does not run (yet).
        """
        if self._child is not None and not self._child.is_alive():
            self.stop()
        if self._child is None:
            self._begin()
        if not self._is_ready:
            self._await(within_seconds)

    def stop(self) -> None:
        """End it, so that what it was told is on the disk."""
        child, is_ready = self._child, self._is_ready
        self._child, self._is_ready = None, False
        if child is not None:
            child.stop(_END_SECONDS)
        if is_ready:  # else another clipd's may lie there, that has the folder
            self.socket.unlink(missing_ok=True)

    def _begin(self) -> None:
        if len(bytes(self.socket)) > _LONGEST_PATH:
            raise IndexAwayError(
                f"the path of Milvus Lite, {self.folder}, is too long for a socket beside it; "
                f"choose one of at most {_LONGEST_PATH - len('.sock')} bytes as index.uri"
            )
        try:
            child = Child("clipd.store.milvus_lite_worker")
            child.lanes[0].send({"folder": str(self.folder), "socket": str(self.socket)})
        except (ChildError, OSError) as error:
            raise IndexAwayError(f"Milvus Lite cannot be started: {error}") from error
        self._child = child

    def _await(self, seconds: float) -> None:
        assert self._child is not None
        lane = self._child.lanes[0]
        if not select.select([lane], [], [], seconds)[0]:
            raise IndexAwayError(self._problem or f"Milvus Lite in {self.folder} is starting")
        problem = "its process ended"
        try:
            message = lane.receive(0)
        except (ChildError, OSError) as error:
            message, problem = None, str(error)
        header = message.header if message is not None else {"error": problem}
        if "error" in header:
            self.stop()
            self._problem = f"Milvus Lite in {self.folder} cannot run: {header['error']}"
            raise IndexAwayError(self._problem)
        self._is_ready, self._problem = True, ""
