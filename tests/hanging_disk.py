"""A disk that never answers: a FUSE mount without a server."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


class HangingDisk:
    """Every system call on ``folder`` waits until ``leave`` is called."""

    def __init__(self, folder: Path) -> None:
        self._folder = bytes(folder)
        self._server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._server},rootmode=40000,user_id=0,group_id=0".encode()
        if _libc.mount(b"clipd-test", self._folder, b"fuse.sshfs", 0, options):
            os.close(self._server)
            pytest.skip(f"cannot mount FUSE: {os.strerror(ctypes.get_errno())}")

    def leave(self) -> None:
        """Let waiting calls fail, and the folder below the mount be seen again."""
        if self._server >= 0:
            _libc.umount2(self._folder, _MNT_DETACH)
            os.close(self._server)
            self._server = -1


@contextmanager
def hanging_disk(folder: Path) -> Iterator[HangingDisk]:
    """Mount a disk that never answers over a folder; needs root."""
    if not os.access("/dev/fuse", os.W_OK):
        pytest.skip("a FUSE file system can only be mounted by root")
    disk = HangingDisk(folder)
    try:
        yield disk
    finally:
        disk.leave()
