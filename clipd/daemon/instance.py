"""One clipd at a time for a state folder."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from clipd.errors import AlreadyRunningError, StoreError

# A disk on which no file can be made or opened for writing. The lock of the folder is enough then.
_NO_FILE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES})


@contextmanager
def single_instance(file: Path) -> Iterator[None]:
    """Hold the lock of a state folder for the length of the block.

    The folder itself is locked, which a full or read-only disk cannot refuse, and the file
    where it can be had; that file stays and holds our pid. Locks go with the process, however
    that ends.

    Raises:
        AlreadyRunningError: another process holds it.
        StoreError: the folder or the file cannot be locked.
    """
    with ExitStack() as held:
        _lock(held, _open(file.parent, os.O_RDONLY | os.O_DIRECTORY), file)
        with suppress(_NoFileError):
            fd = _open(file, os.O_RDWR | os.O_CREAT)
            _lock(held, fd, file)
            with suppress(OSError):  # no room for our pid, which only an error text shows
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield


class _NoFileError(StoreError):
    """The disk takes no file now."""


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except OSError as error:
        kind = _NoFileError if error.errno in _NO_FILE else StoreError
        raise kind(
            f"cannot lock {path}: {error.strerror}; it belongs to clipd, so move away what is there"
        ) from error


def _lock(held: ExitStack, fd: int, file: Path) -> None:
    held.callback(os.close, fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AlreadyRunningError(
            f"clipd is already running (pid {lock_holder(file)}) with the state folder "
            f"{file.parent}; ask it with: clipctl status"
        ) from error


def lock_holder(file: Path) -> str:
    """Return the pid in a lock file, which is only of a process that runs while that holds it."""
    try:
        return file.read_bytes()[:32].decode("ascii", "replace").strip() or "unknown"
    except OSError:
        return "unknown"
