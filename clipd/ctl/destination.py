"""Which daemon clipctl asks: the user's own, or the one behind another socket (``--at``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipd.config.socketpath import socket_path

# In the environment, so that the process of a page asks the same daemon as we do.
_CHOSEN = "CLIPD_AT_SOCKET"


def asked_socket() -> Path:
    """Return the socket of the daemon that this process asks."""
    chosen = os.environ.get(_CHOSEN)
    return Path(chosen) if chosen else socket_path()


def is_own(socket: Path) -> bool:
    """Whether a socket is that of the user's own daemon, whose files are those of this machine."""
    return socket == socket_path()


@contextmanager
def asking_at(socket: Path) -> Iterator[None]:
    """Have this process, and those that it starts, ask another daemon within the block."""
    before = os.environ.get(_CHOSEN)
    os.environ[_CHOSEN] = str(socket)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_CHOSEN]
        else:
            os.environ[_CHOSEN] = before
