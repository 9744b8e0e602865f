"""Sockets that are no clipd: what ssh forwards, and all that may be wrong at the other end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_Serve = Callable[[socket.socket], None]


@contextmanager
def relaying(path: Path, target: Path, alter: Callable[[bytes], bytes] = bytes) -> Iterator[None]:
    """Listen at a path as ``ssh -L`` does, and pass on to a daemon's socket.

    Args:
        alter: what becomes of an answer on its way back.
    """

    def serve(client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.connect(str(target))
            sending = threading.Thread(target=_pass_on, args=(client, daemon))
            sending.start()
            answer = b"".join(iter(lambda: daemon.recv(1 << 16), b""))
            client.sendall(alter(answer))
            client.shutdown(socket.SHUT_RDWR)
            sending.join()

    with _listening(path, serve):
        yield


@contextmanager
def hanging(path: Path) -> Iterator[None]:
    """Listen at a path, accept, and never answer."""
    done = threading.Event()

    def serve(_client: socket.socket) -> None:
        done.wait()

    with _listening(path, serve):
        try:
            yield
        finally:
            done.set()


@contextmanager
def closing(path: Path) -> Iterator[None]:
    """Listen at a path and close at once, as ssh does where nothing listens at its other end."""
    with _listening(path, lambda client: None):
        yield


def leave_dead_socket(path: Path) -> None:
    """Leave the file of a socket on which nobody listens any more."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@contextmanager
def _listening(path: Path, serve: _Serve) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        threads: list[threading.Thread] = []

        def run(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                serve(client)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threads.append(threading.Thread(target=run, args=(client,)))
                    threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            path.unlink()
    for thread in threads:
        thread.join()


def _pass_on(client: socket.socket, daemon: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := client.recv(1 << 16):
            daemon.sendall(piece)
