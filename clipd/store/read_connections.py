"""Read-only connections to the catalog, lent to one thread at a time."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipd.store.faults import translating
from clipd.store.folding import FOLDED, folded
from clipd.store.sqlite import Access, connect

_IDLE_CONNECTIONS = 8


class ReadConnections:
    """Asks the catalog from any thread.

    Every answer is complete when it is returned: a reader that lingered in the middle of one
    would let the WAL grow without bound.
    """

    def __init__(self, file: Path, access: Access) -> None:
        self._file = file
        self._access = access
        self._idle: list[sqlite3.Connection] = []  # guarded by _lock
        self._closed = False  # guarded by _lock
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections; those in use are closed when their answer is complete."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def fetch(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows that a question has for an answer."""
        with self.lent() as connection:
            return connection.execute(sql, values).fetchall()

    def first(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row that a question has for an answer; None when there is none."""
        return next(iter(self.fetch(sql, *values)), None)

    @contextlib.contextmanager
    def lent(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection to this thread alone: a shared one would mix up transactions.

        Raises:
            StoreError: what an error of SQLite in the block means.
        """
        with translating(self._file):
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        connection = connect(self._file, "ro", self._access)
        connection.create_function(FOLDED, 1, folded, deterministic=True)
        connection.execute("PRAGMA query_only = ON")  # "ro" is not to be had with ALONE
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            is_kept = not self._closed and len(self._idle) < _IDLE_CONNECTIONS
            if is_kept:
                self._idle.append(connection)
        if not is_kept:
            connection.close()
