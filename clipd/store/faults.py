"""What the errors of SQLite and of the disk mean for clipd.

A full disk and a read error must never be taken for corruption: the catalog is then whole, and
setting it aside would throw work away.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from clipd.errors import (
    CatalogCorruptError,
    CatalogLockedError,
    StorageFullError,
    StoreError,
    StoreUnavailableError,
)

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_REFUSED = {
    sqlite3.SQLITE_FULL: "no room is left on its disk; free some space",
    sqlite3.SQLITE_IOERR: "its disk gave an error; look at the system's log",
    sqlite3.SQLITE_READONLY: "its disk is read-only; look at the system's log",
}
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_UNUSABLE = {
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its folder exists and is yours",
    sqlite3.SQLITE_PERM: "it cannot be opened; check that it is yours",
    sqlite3.SQLITE_AUTH: "it cannot be opened; check that it is yours",
}
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})

_BLOCK_BYTES = 1 << 20


def suspect_mark(file: Path) -> Path:
    """Name the empty file whose presence asks clipd to open the catalog anew, checked in full."""
    return file.with_name(file.name + ".suspect")


def mark_suspect(file: Path) -> None:
    """Ask clipd to open the catalog anew and to check it in full, also after a stop."""
    with contextlib.suppress(OSError):  # a disk that refuses this has worse to tell
        suspect_mark(file).touch(mode=0o600)


@contextlib.contextmanager
def translating(file: Path) -> Iterator[None]:
    """Turn the errors of SQLite and of the disk about ``file`` into ours.

    Raises:
        CatalogCorruptError: the catalog is damaged.
        StorageFullError: there is no room, or the disk gave an error.
        CatalogLockedError: another program holds the catalog.
        StoreUnavailableError: the file or its folder cannot be used as things are.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise translate_sqlite_error(error, file) or error from error
    except UnicodeDecodeError as error:
        # Python's sqlite3 cannot pass on what SQLite says of a table whose name is damaged.
        raise damage_met(file, error) from error
    except OSError as error:
        raise _translate_os_error(error, file) from error


def translate_sqlite_error(error: sqlite3.Error, file: Path) -> StoreError | None:
    """Return what an error of SQLite means; None for one that only a bug of ours explains."""
    # The low byte is the primary code; the others tell the kind of I/O error.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        # SQLite calls it damage when a read fails with EIO in the middle of a statement
        # (SQLITE_IOERR_CORRUPTFS in its vdbe.c): a disk that cannot be read is another matter.
        failure = _read_failure(file)
        if failure is not None:
            return _translate_os_error(failure, file)
        return damage_met(file, error)
    if code in _REFUSED:
        return StorageFullError(f"cannot use the catalog {file}: {_REFUSED[code]} ({error})")
    if code in _LOCKED:
        return CatalogLockedError(
            f"cannot use the catalog {file}: another program holds it locked ({error}); "
            "close that program"
        )
    if code in _UNUSABLE:
        return StoreUnavailableError(f"cannot use the catalog {file}: {_UNUSABLE[code]} ({error})")
    return None


def damage_met(file: Path, error: Exception) -> CatalogCorruptError:
    """Return what is to be told of damage to the catalog, and have clipd open it anew."""
    mark_suspect(file)
    return CatalogCorruptError(
        f"the catalog {file} is damaged ({error}); clipd sets it aside and rebuilds it, so try "
        "again in a minute"
    )


def _read_failure(file: Path) -> OSError | None:
    """Read a catalog and its WAL from end to end; return what the disk refused, if anything."""
    for part in (file, file.with_name(file.name + "-wal")):
        try:
            with open(part, "rb", buffering=0) as stream:
                while stream.read(_BLOCK_BYTES):
                    pass
        except FileNotFoundError:
            continue
        except OSError as error:
            return error
    return None


def _translate_os_error(error: OSError, file: Path) -> StoreError:
    if error.errno in _NO_ROOM:
        return StorageFullError(
            f"cannot use {file}: {error.strerror}; free some space or look at the system's log"
        )
    return StoreUnavailableError(
        f"cannot use {file}: {error.strerror}; check that its folder exists and is yours"
    )
