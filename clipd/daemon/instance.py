"""One clipd at a time for a state folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipd.errors import AlreadyRunningError


@contextmanager
def single_instance(file: Path) -> Iterator[None]:
    """Hold the lock of a state folder for the length of the block.

    The lock goes with the process, however that ends; the file stays and holds our pid.

    Raises:
        AlreadyRunningError: another process holds it.
    """
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise AlreadyRunningError(
                f"clipd is already running (pid {holder}) with the state folder {file.parent}; "
                "ask it with: clipctl status"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)
