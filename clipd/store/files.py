"""Files of the store: durable, and with errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from clipd.durable import put_in_place
from clipd.errors import StorageFullError, StoreError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[BinaryIO]:
    """Write a new content for ``file``, which takes its place when the block ends well.

    Raises:
        StorageFullError: there is no room, or the disk gave an error; the old content stands.
        StoreError: the folder cannot be written.
    """
    fresh = file.with_name(file.name + ".tmp")
    with translating(file):
        try:
            with open(fresh, "wb", opener=_private) as stream:
                yield stream
            put_in_place(fresh, file)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def translating(file: Path) -> Iterator[None]:
    """Turn the errors of the disk that holds ``file`` into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFullError(
                f"cannot write {file}: {error.strerror}; free some space or "
                "look at the system's log"
            ) from error
        raise StoreError(
            f"cannot write {file}: {error.strerror}; check that its folder exists and is yours"
        ) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
