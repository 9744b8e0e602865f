"""The real Milvus server of the ``milvus`` wheel, behind a Unix socket.

It listens on eight ports of all interfaces, so it runs in a network namespace of its own, in
which there is nothing but a loopback, and ends with the process that made that.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_PORT = 19530
_START_SECONDS = 150
# Ends with this process, however that ends.
_SANDBOX = ["setpriv", "--pdeathsig", "KILL"]
_SANDBOX += ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Relay:
    """Carries bytes between a Unix socket and a place, until it is told not to."""

    def __init__(self, file: Path, place: str | tuple[str, int]) -> None:
        self.file = file
        self._place = place
        self._may_carry = threading.Event()
        self._may_carry.set()
        self._carried: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Listen, as after ``close``."""
        self.file.unlink(missing_ok=True)
        self._listener = listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.file))
        listener.listen(64)
        self._start(self._accept, listener)

    def close(self) -> None:
        """Be away: nobody can connect, and who was connected is cut off."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # ends accept(2)
            self._threads[0].join()
            self._listener.close()
            self._listener = None
        self.file.unlink(missing_ok=True)
        for end in self._carried:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._may_carry.set()  # only now, so that nothing that was held is carried after all
        for thread in self._threads:
            thread.join()
        for end in self._carried:
            end.close()
        self._carried.clear()
        self._threads.clear()

    def _start(self, target: Callable[..., None], *sockets: socket.socket) -> None:
        thread = threading.Thread(target=target, args=sockets, daemon=True)
        self._threads.append(thread)
        thread.start()

    def hold(self) -> None:
        """Be deaf: whoever connects is heard, and never answered."""
        self._may_carry.clear()

    def go_on(self) -> None:
        """Carry again, also what came meanwhile."""
        self._may_carry.set()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            there = socket.socket(
                socket.AF_UNIX if isinstance(self._place, str) else socket.AF_INET
            )
            try:
                there.connect(self._place)
            except OSError:
                here.close()
                there.close()
                continue
            self._carried += [here, there]
            for one, other in ((here, there), (there, here)):
                self._start(self._carry, one, other)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                self._may_carry.wait()
                target.sendall(piece)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def milvus_server(folder: Path) -> Iterator[Path]:
    """Run a server whose data lie in ``folder``; yield its socket. It is killed at the end."""
    pytest.importorskip("milvus", reason="the server is the `milvus` wheel, for x86_64 only")
    has_tools = shutil.which("setpriv") and shutil.which("unshare")
    if not has_tools or subprocess.run([*_SANDBOX, "true"]).returncode:
        pytest.skip("a network namespace, which the server runs in, cannot be made here")
    file = folder / "milvus.sock"
    file.unlink(missing_ok=True)
    command = [*_SANDBOX, sys.executable, "-m", "tests.milvus_server", str(folder), str(file)]
    with (folder / "server.log").open("ab") as log, subprocess.Popen(command, stdout=log) as run:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not file.exists():
                assert run.poll() is None, "the server has ended"
                assert time.monotonic() < deadline, "the server does not start"
                threading.Event().wait(0.1)
            yield file
        finally:
            run.kill()


def _bring_up_loopback() -> None:
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14s", b"lo", 0x41, b"")  # IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def _serve(folder: Path, file: Path) -> None:
    from milvus import MilvusServer, MilvusServerConfig

    # With this process ends the namespace of processes, and so the server.
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
    _bring_up_loopback()
    os.environ["no_proxy"] = "*"
    server: Any = MilvusServer(MilvusServerConfig(data_dir=str(folder), proxy_port=_PORT))
    server.start()
    aside = file.with_suffix(".starting")
    Relay(aside, ("127.0.0.1", _PORT))
    aside.rename(file)
    threading.Event().wait()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))
