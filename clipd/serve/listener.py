"""The listening socket: made private, made anew over a stale one, removed at the end."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clipd.config.socketpath import MAX_SOCKET_PATH_BYTES, is_too_long
from clipd.errors import AlreadyRunningError, ConfigError

_BACKLOG = 128


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket that only our user can reach, until the block ends.

    The caller holds the lock of a single daemon: a socket that nobody answers is then stale.

    Raises:
        ConfigError: there can be no socket at this path.
        AlreadyRunningError: a daemon answers there.
    """
    if is_too_long(path):
        raise ConfigError(
            f"the socket path {path} has more than {MAX_SOCKET_PATH_BYTES} bytes, the most that "
            "the kernel takes; set CLIPD_SOCKET to a shorter one"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_stale(path)
            # Linux gives the file of a socket the mode of the socket: 0600 from its first
            # moment, where a umask would be shared with every other thread.
            os.fchmod(sock.fileno(), 0o600)
            sock.bind(os.fspath(path))
        except OSError as error:
            raise ConfigError(f"cannot listen on {path}: {error.strerror}") from error
        inode = path.stat().st_ino
        try:
            sock.listen(_BACKLOG)
            yield sock
        finally:
            _remove_own(path, inode)


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} is in the way and is not a socket; move it or set CLIPD_SOCKET")
    if _is_answered(path):
        raise AlreadyRunningError(
            f"another clipd answers on {path}; stop it, or set CLIPD_SOCKET for this one"
        )
    path.unlink()


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            return True  # its queue is full
    return True


def _remove_own(path: Path, inode: int) -> None:
    with suppress(FileNotFoundError):
        if path.stat().st_ino == inode:
            path.unlink()
