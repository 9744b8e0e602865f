"""Write a small file so that a power cut leaves the old content or the new, never half."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_durably(file: Path, data: bytes, mode: int = 0o600) -> None:
    """Put the data in place of the file: written aside, synced, renamed, folder synced.

    A symlink keeps its place and its target is written, as dotfile managers expect. A file that
    is there keeps its permissions.

    Args:
        file: its folder must be there.
        data: the whole content.
        mode: permissions of a new file.

    Raises:
        OSError: it cannot be written; the old file is whole.
    """
    target = Path(os.path.realpath(file))
    if target.exists():
        mode = target.stat().st_mode & 0o777
    fd, aside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(fd, "wb") as stream:
            stream.write(data)
            os.fchmod(fd, mode)
            stream.flush()
            # Renaming without this left empty files after simulated power cuts.
            os.fsync(fd)
        os.rename(aside, target)
    except BaseException:
        os.unlink(aside)
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
