"""Connections to the catalog's file, as the disk beneath it allows."""

from __future__ import annotations

import enum
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import quote

# Another program (a backup tool, sqlite3 by hand) may hold the file. Longer than this, and the
# stop, which has ten seconds in all, would wait for it; whoever is refused tries again later.
_BUSY_SECONDS = 2.0
_ROOM_BYTES = 1 << 20  # with less than this free, hardly a batch of photos can be written


class Access(enum.Enum):
    """How this process shares the catalog; all of its connections must do it in the same way."""

    # As usual: the index of the WAL is a file beside the catalog, for all programs to see.
    SHARED = ""
    # No room for that file: SQLite's VFS "unix-excl" keeps the index of the WAL in this process
    # (sqlite.org/vfs.html), and other programs find the catalog locked meanwhile.
    ALONE = "&vfs=unix-excl"
    # The folder takes no file, so nothing changes in it: the catalog is read without locks. The
    # WAL is passed over, which SQLite cannot open there.
    FROZEN = "&immutable=1"


def disk_trouble(file: Path, access: Access) -> str:
    """Say what the disk of the catalog has refused since it was opened; "" when all is well."""
    if access is Access.FROZEN:
        return (
            f"the folder {file.parent} cannot be written: what is known is searched, new photos "
            "wait until it can be written again"
        )
    if access is Access.ALONE and _free_bytes(file.parent) < _ROOM_BYTES:
        return (
            f"no room is left on the disk of {file.parent}: what is known is searched, new photos "
            "wait; free some space"
        )
    return ""


def takes_files(folder: Path) -> bool:
    """Tell whether a file can be made in a folder just now."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _decode_leniently(text: bytes) -> str:
    return text.decode(errors="replace")


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def uri_of(file: Path) -> str:
    """Name a file in a way that SQLite takes for any bytes, also those that are not UTF-8."""
    return "file:" + quote(os.fsencode(file.absolute()))


def connect(
    file: Path, mode: Literal["ro", "rw", "rwc"], access: Access = Access.SHARED
) -> sqlite3.Connection:
    """Open a connection in autocommit mode; the caller sees to it that one thread uses it."""
    # A file that is opened read-only does not take part in what ALONE shares: SQLite would look
    # for the index of the WAL on the disk after all.
    opened = {Access.SHARED: mode, Access.ALONE: "rw", Access.FROZEN: "ro"}[access]
    connection = sqlite3.connect(
        f"{uri_of(file)}?mode={opened}{access.value}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    # A damaged text is odd, but no error: what is known under it is still to be had.
    connection.text_factory = _decode_leniently
    # What a damaged file could make SQLite do is bounded by these two.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection
