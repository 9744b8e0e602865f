"""The one connection that writes the catalog."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from clipd.errors import CatalogCorruptError, CatalogNewerError
from clipd.store import check, schema
from clipd.store.faults import translating
from clipd.store.sqlite import connect

_PAGE_BYTES = 8192  # 2 KiB rows take 271 MB where pages of 4096 take 407 MB (measured)
_CACHE_KIB = 8192
_WAL_BYTES = 64 << 20  # a WAL that grew beyond this shrinks after the next checkpoint


class Writer:
    """A writing connection and its transactions. One per process, for one thread at a time."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self.file = file
        self._connection = connection

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the catalog, making or migrating it as needed.

        Raises:
            CatalogNewerError: a newer clipd wrote it.
            CatalogCorruptError: it is damaged, or no catalog at all.
            StorageFullError: there is no room, or the disk gave an error.
            StoreError: it cannot be opened.
        """
        _make_private(file)
        with translating(file):
            connection = connect(file, "rw")
            try:
                _refuse_newer(connection, file)
                _set_up(connection)
            except BaseException:
                connection.close()
                raise
        return cls(file, connection)

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        # The last connection does this by itself, but a reader may still be there, and a WAL
        # that is left tells the next start that this one was killed.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Do everything in the block in one transaction; an error undoes all of it.

        Raises:
            StorageFullError: there is no room, or the disk gave an error; nothing is changed.
            CatalogCorruptError: damage was met.
        """
        # IMMEDIATE: a deferred transaction that reads first can be refused at its first write.
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            # SQLite has already rolled back by itself after some errors.
            if self._connection.in_transaction:
                self._run("ROLLBACK")
            raise

    @property
    def changes(self) -> int:
        """How many rows were changed since the start; grows with every write that counts."""
        return self._connection.total_changes

    def checkpoint(self) -> None:
        """Move the WAL into the catalog and cut it to nothing, as far as no reader is in it."""
        self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def insist_on_whole(self, thoroughly: bool) -> None:
        """Read every page of the file.

        Args:
            thoroughly: compare the indexes with the tables too, which takes some times longer.

        Raises:
            CatalogCorruptError: it is damaged.
        """
        with translating(self.file):
            broken = check.broken_pages(self._connection, thoroughly)
        if broken:
            raise CatalogCorruptError(broken[0])

    def _fetch(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with translating(self.file):
            return self._connection.execute(sql, values).fetchall()

    def _first(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        return next(iter(self._fetch(sql, *values)), None)

    def _write(self, sql: str, *values: object) -> int:
        """Change rows inside of a ``writing`` block; return how many."""
        self._insist_on_transaction()
        return self._run(sql, values).rowcount

    def _id_of(self, sql: str, *values: object) -> int:
        """Change one row inside of a ``writing`` block; return the id that it gives back."""
        self._insist_on_transaction()
        return int(self._fetch(sql, *values)[0][0])

    def _insist_on_transaction(self) -> None:
        if not self._connection.in_transaction:
            raise RuntimeError("the catalog is written outside of Catalog.writing()")

    def _run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        with translating(self.file):
            return self._connection.execute(sql, values)


def _make_private(file: Path) -> None:
    # SQLite gives its WAL the mode of the catalog, so this makes all of them private.
    with contextlib.suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _refuse_newer(connection: sqlite3.Connection, file: Path) -> None:
    version = schema.version_of(connection)
    if version > schema.SCHEMA:
        raise CatalogNewerError(
            f"the catalog {file} was written by a newer clipd (schema {version}, this one knows "
            f"{schema.SCHEMA}); install that clipd again, or move the catalog away to start anew"
        )


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")  # counts for a new file only
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: in simulated power cuts NORMAL lost up to 1,084 acknowledged rows, FULL none.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    schema.migrate(connection)
    connection.execute("PRAGMA foreign_keys = ON")
