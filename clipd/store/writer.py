"""The one connection that writes the catalog."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from clipd.errors import (
    CatalogCorruptError,
    CatalogLockedError,
    CatalogNewerError,
    StoreUnavailableError,
)
from clipd.store import check, schema
from clipd.store.faults import translating
from clipd.store.sqlite import Access, connect, takes_files

_PAGE_BYTES = 8192  # 2 KiB rows take 271 MB where pages of 4096 take 407 MB (measured)
_CACHE_KIB = 8192
_WAL_BYTES = 64 << 20  # a WAL that grew beyond this shrinks after the next checkpoint


class Writer:
    """A writing connection and its transactions. One per process, for one thread at a time."""

    def __init__(self, file: Path, connection: sqlite3.Connection, access: Access) -> None:
        self.file = file
        self.access = access  # for readers, which must open the file in the same way
        self.connection = connection  # to look with; what is changed goes through ``write``
        self._is_writing = False  # inside of a ``writing`` block

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the catalog, making or migrating it as needed.

        On a disk that is full or read-only it is opened as far as that goes, and what is written
        is refused with a StorageFullError until there is room.

        Raises:
            CatalogNewerError: a newer clipd wrote it.
            CatalogCorruptError: it is damaged, or no catalog at all.
            StoreUnavailableError: it cannot be opened, or made, or migrated just now.
        """
        _make_private(file)
        try:
            return cls._open_as(file, Access.SHARED)
        except (CatalogLockedError, CatalogCorruptError):
            raise
        except StoreUnavailableError as error:
            # From what writes most to what writes nothing; the first error is the one to tell.
            with contextlib.suppress(StoreUnavailableError):
                return cls._open_as(file, Access.ALONE)
            if not takes_files(file.parent):
                with contextlib.suppress(StoreUnavailableError):
                    return cls._open_as(file, Access.FROZEN)
            raise error

    @classmethod
    def _open_as(cls, file: Path, access: Access) -> Self:
        with translating(file):
            connection = connect(file, "rw", access)
            try:
                _refuse_newer(connection, file)
                _set_up(connection)
                # The first look at a table, which needs what the next ones need.
                connection.execute("SELECT 1 FROM lineage").fetchall()
            except BaseException:
                connection.close()
                raise
        return cls(file, connection, access)

    def close(self) -> None:
        """Close the connection; an open transaction is undone."""
        # The last connection does this by itself, but a reader may still be there, and a WAL
        # that is left tells the next start that this one was killed.
        self.checkpoint()
        self.connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Do everything in the block in one transaction; an error undoes all of it.

        The transaction begins with the first write, so that a block that only looks takes no
        lock: another program may hold it, and has a right to.

        Raises:
            StoreUnavailableError: there is no room, or another program writes; nothing is changed.
            CatalogCorruptError: damage was met.
        """
        if self._is_writing:
            raise RuntimeError("a transaction of the catalog inside of another one")
        self._is_writing = True
        try:
            yield
            if self.connection.in_transaction:
                self._run("COMMIT")
        except BaseException:
            self._undo()
            raise
        finally:
            self._is_writing = False

    def _undo(self) -> None:
        # SQLite has already rolled back by itself after some errors. Where the disk refuses even
        # this, the next statement meets the disk again; the error that led here must be told.
        with contextlib.suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    @property
    def changes(self) -> int:
        """How many rows were changed since the start; grows with every write that counts."""
        return self.connection.total_changes

    def checkpoint(self) -> None:
        """Move the WAL into the catalog and cut it to nothing, as far as that goes now.

        It only gives room back, and is asked for when a disk has failed: its errors are those
        that are known already, and are not raised.
        """
        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def insist_on_whole(self, thoroughly: bool) -> None:
        """Read every page of the file.

        Args:
            thoroughly: compare the indexes with the tables too, which takes some times longer.

        Raises:
            CatalogCorruptError: it is damaged.
            StoreUnavailableError: its disk does not let us tell.
        """
        with translating(self.file):
            broken = check.broken_pages(self.connection, thoroughly)
        if broken and self.access is Access.FROZEN:
            # The WAL may hold what is missing, and cannot be read now: that is no damage.
            raise StoreUnavailableError(
                f"the catalog {self.file} was not closed well, and its folder takes no file that "
                "is needed to put it in order; free some space or make the folder writable"
            )
        if broken:
            raise CatalogCorruptError(broken[0])

    def fetch(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows that a question has for an answer."""
        with translating(self.file):
            return self.connection.execute(sql, values).fetchall()

    def first(self, sql: str, *values: object) -> tuple[Any, ...] | None:
        """Return the first row that a question has for an answer; None when there is none."""
        return next(iter(self.fetch(sql, *values)), None)

    def write(self, sql: str, *values: object) -> int:
        """Change rows inside of a ``writing`` block; return how many."""
        self._begin()
        return self._run(sql, values).rowcount

    def insert(self, sql: str, *values: object) -> int:
        """Change one row inside of a ``writing`` block; return the id that it gives back."""
        self._begin()
        return int(self.fetch(sql, *values)[0][0])

    def _begin(self) -> None:
        if not self._is_writing:
            raise RuntimeError("the catalog is written outside of Catalog.writing()")
        if not self.connection.in_transaction:
            # IMMEDIATE: a deferred transaction that reads first can be refused at its first write.
            self._run("BEGIN IMMEDIATE")

    def _run(self, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        with translating(self.file):
            return self.connection.execute(sql, values)


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
