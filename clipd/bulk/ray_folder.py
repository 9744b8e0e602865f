"""The temporary folder of a Ray on this machine: gone after its run, or else with the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "clipd-ray-"  # short: the folder holds sockets, whose paths are limited
_MARK: Final = "of-a-bulk-run"


@contextmanager
def ray_folder(among: Path) -> Iterator[str]:
    """Have a folder for the length of the block; those that killed runs have left are removed.

    Args:
        among: where it is to lie.
    """
    # The lock on a folder goes with its run, however that ends. It is taken before the mark is
    # made, so that a folder with the mark and without the lock is nobody's.
    _remove_left_behind(among)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=among)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(folder, _MARK).touch()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_left_behind(among: Path) -> None:
    for folder in among.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or another run was faster
            _remove_unless_held(folder)


def _remove_unless_held(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(lock).st_uid == os.geteuid() and (folder / _MARK).exists():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
