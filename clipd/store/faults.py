"""What SQLite's errors mean for clipd.

A full disk and a read error must never be taken for corruption: the catalog is then whole, and
setting it aside would throw work away.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from clipd.errors import CatalogCorruptError, StorageFullError, StoreError

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = {
    sqlite3.SQLITE_FULL: "no room is left on its disk; free some space",
    sqlite3.SQLITE_IOERR: "its disk gave an error; look at the system's log",
    sqlite3.SQLITE_READONLY: "its disk is read-only; look at the system's log",
}
_UNUSABLE = {
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists and is yours",
    sqlite3.SQLITE_PERM: "it cannot be opened; check that it is yours",
    sqlite3.SQLITE_BUSY: "another program holds it locked; close that program",
}


def suspect_mark(file: Path) -> Path:
    """Name the empty file whose presence asks the next start to check the catalog in full."""
    return file.with_name(file.name + ".suspect")


def mark_suspect(file: Path) -> None:
    """Ask the next start to check the catalog in full."""
    with contextlib.suppress(OSError):  # a disk that refuses this has worse to tell
        suspect_mark(file).touch()


def meaning(error: sqlite3.Error, file: Path) -> StoreError | None:
    """Return what an error of SQLite means; None for one that only a bug of ours explains."""
    # The low byte is the primary code; the others tell the kind of I/O error.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        # A clean stop would hide the damage from the next start, so it leaves a mark.
        mark_suspect(file)
        return CatalogCorruptError(
            f"the catalog {file} is damaged ({error}); restart clipd to set it aside and rebuild it"
        )
    if code in _REFUSED:
        return StorageFullError(f"cannot use the catalog {file}: {_REFUSED[code]} ({error})")
    if code in _UNUSABLE:
        return StoreError(f"cannot use the catalog {file}: {_UNUSABLE[code]} ({error})")
    return None


@contextlib.contextmanager
def translating(file: Path) -> Iterator[None]:
    """Turn SQLite's errors about ``file`` into ours."""
    try:
        yield
    except sqlite3.Error as error:
        ours = meaning(error, file)
        if ours is None:
            raise
        raise ours from error
