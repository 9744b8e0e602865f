"""Connections to the catalog's file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Literal
from urllib.parse import quote

_BUSY_SECONDS = 30.0  # another program (a backup tool, sqlite3 by hand) may hold the file


def uri_of(file: Path) -> str:
    """Name a file in a way that SQLite takes for any bytes, also those that are not UTF-8."""
    return "file:" + quote(os.fsencode(file.absolute()))


def connect(file: Path, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
    """Open a connection in autocommit mode; the caller sees to it that one thread uses it."""
    connection = sqlite3.connect(
        f"{uri_of(file)}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    # What a damaged file could make SQLite do is bounded by these two.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection
