"""Checking that the catalog holds together: a slice at a time, so that nobody waits for it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from clipd.store.pace import Pace
from clipd.store.rows import folder_range
from clipd.store.schema import RECOUNT
from clipd.store.vectors import KeptVector, page_of

# What SQLite says of an index that does not agree with its table; it is made anew from there.
_OF_AN_INDEX = re.compile(r"missing from index|wrong # of entries in index|non-unique entry in")
_SHOWN = 5  # of each kind of problem
_SLICE = 1000  # vectors in memory at a time
_PHOTOS_A_SLICE = 5000

_Row = tuple[int, int, bytes, int | None, int]  # photo, model, vector, checksum, dim
_VECTORS = (
    "SELECT photo_id, model_id, vector, checksum, dim FROM vectors"
    " JOIN models ON models.id = model_id"
)
_TABLES = ("paths", "vectors", "text_vectors", "failures", "meta")  # those that refer to others


@dataclass(frozen=True, slots=True)
class DanglingRow:
    """A row that refers to one that is not there."""

    table: str
    row: int
    missing_in: str


@dataclass(frozen=True, slots=True)
class Damage:
    """Everything that is wrong within the catalog."""

    broken: tuple[str, ...] = ()  # sentences about the file itself
    indexes: tuple[str, ...] = ()  # sentences about SQLite's indexes, where the tables are whole
    dangling: tuple[DanglingRow, ...] = ()
    miscounted: tuple[int, ...] = ()  # photos with a wrong count of paths
    tallies: tuple[str, ...] = ()  # sentences about counts that are wrong
    vectors: tuple[tuple[int, int], ...] = ()  # (photo, model) of damaged vectors

    @property
    def sentences(self) -> list[str]:
        """Return a sentence for everything."""
        return [
            *self.broken,
            *self.indexes,
            *(f"row {one.row} of {one.table} refers to missing {one.missing_in}"
              for one in self.dangling[:_SHOWN]),
            *(f"photo {photo} has a wrong count of paths" for photo in self.miscounted[:_SHOWN]),
            *self.tallies,
            *self._vectors_sentence(),
        ]  # fmt: skip

    def _vectors_sentence(self) -> Iterator[str]:
        if self.vectors:
            more = len(self.vectors) - _SHOWN
            photos = ", ".join(str(photo) for photo, _ in self.vectors[:_SHOWN])
            yield f"unusable vectors of photos {photos}{f', and {more} more' if more > 0 else ''}"


def find_damage(connection: sqlite3.Connection, pace: Pace) -> Damage:
    """Look through an open catalog.

    Args:
        connection: read-only and used by nobody else; every slice is a transaction of its own,
            since a long one would let the WAL grow without bound.
        pace: of the check.

    Raises:
        CheckStoppedError: the check was told to end.
    """
    with pace.of_statements(connection):
        pace.begin("the catalog's file")
        found = broken_pages(connection, thoroughly=True)
        indexes = tuple(line for line in found if _OF_AN_INDEX.search(line))
        if len(indexes) < len(found):
            return Damage(broken=tuple(found))  # the rest would only repeat it, or fail
        return Damage(
            indexes=indexes,
            dangling=tuple(_dangling_rows(connection, pace)),
            miscounted=tuple(_miscounted(connection, pace)),
            tallies=tuple(_wrong_tallies(connection, pace)),
            vectors=tuple(_unsound_vectors(connection, pace)),
        )


def broken_pages(connection: sqlite3.Connection, thoroughly: bool = False) -> list[str]:
    """Return a sentence for damage to the file itself; thoroughly: indexes against tables too."""
    pragma = "integrity_check" if thoroughly else "quick_check"
    rows = connection.execute(f"PRAGMA {pragma}({_SHOWN})").fetchall()
    return [f"the catalog is damaged: {line}" for (line,) in rows if line != "ok"]


def unsound_among(
    connection: sqlite3.Connection, keys: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Return those of the vectors (photo, model) that are damaged as they are now."""
    sql = f"{_VECTORS} WHERE (photo_id, model_id) = (?, ?)"
    rows = [row for key in keys for row in connection.execute(sql, key).fetchall()]
    return _unsound_in(rows)


def _dangling_rows(connection: sqlite3.Connection, pace: Pace) -> Iterator[DanglingRow]:
    pace.begin("references", len(_TABLES))
    for table in _TABLES:
        for _, row, missing_in, _ in connection.execute(f"PRAGMA foreign_key_check({table})"):
            yield DanglingRow(table, row, missing_in)
        pace.advance(1)
    yield from _strays(connection)


def _strays(connection: sqlite3.Connection) -> Iterator[DanglingRow]:
    """Find paths outside of their root, which no scan of it would ever come to."""
    for root, path in connection.execute("SELECT id, path FROM roots").fetchall():
        for table, alive in (("paths", "gone_at IS NULL"), ("failures", "TRUE")):
            # What begins with NUL is set aside; see `aside_folder`.
            sql = (
                f"SELECT rowid FROM {table} WHERE root_id = ? AND {alive} AND folder <> ?"
                " AND NOT (folder >= ? AND folder < ?) AND folder >= x'01'"
            )
            values = (root, path, *folder_range(path))
            for (row,) in connection.execute(sql, values).fetchall():
                yield DanglingRow(table, row, "root of its folder")


def _miscounted(connection: sqlite3.Connection, pace: Pace) -> Iterator[int]:
    last = int(connection.execute("SELECT coalesce(max(id), 0) FROM photos").fetchone()[0])
    pace.begin("counts of paths", last)
    live = "SELECT count(*) FROM paths WHERE photo_id = photos.id AND gone_at IS NULL"
    sql = f"SELECT id FROM photos WHERE id > ? AND id <= ? AND live <> ({live})"
    for after in range(0, last, _PHOTOS_A_SLICE):
        rows = connection.execute(sql, (after, after + _PHOTOS_A_SLICE)).fetchall()
        yield from (photo for (photo,) in rows)
        pace.advance(_PHOTOS_A_SLICE)


def _wrong_tallies(connection: sqlite3.Connection, pace: Pace) -> Iterator[str]:
    pace.begin("counts")
    # One transaction for both, or a photo that is saved in between would look like an error.
    connection.execute("BEGIN")
    try:
        sql = "SELECT what, id, value FROM tallies WHERE value <> 0"
        kept = set(connection.execute(sql).fetchall())
        found = {row for row in connection.execute(RECOUNT).fetchall() if row[2]}
    finally:
        connection.execute("ROLLBACK")
    for what, key, value in sorted(found - kept):
        yield f"the count of {what} ({key}) is not {value}, as it should be"
    for what, key, value in sorted(kept - found):
        yield f"the count of {what} ({key}) is {value}, as it should not be"


def _unsound_vectors(connection: sqlite3.Connection, pace: Pace) -> Iterator[tuple[int, int]]:
    sql = "SELECT total(value) FROM tallies WHERE what = 'vectors'"
    pace.begin("vectors", int(connection.execute(sql).fetchone()[0]))
    sql = f"{_VECTORS} WHERE (photo_id, model_id) > (?, ?) ORDER BY photo_id, model_id LIMIT ?"
    last = (0, 0)
    while page := connection.execute(sql, (*last, _SLICE)).fetchall():
        yield from _unsound_in(page)
        last = page[-1][:2]
        pace.advance(len(page))


def _unsound_in(page: Sequence[_Row]) -> list[tuple[int, int]]:
    unsound: list[tuple[int, int]] = []
    for model, dim in {(row[1], row[4]) for row in page}:
        rows = [KeptVector(photo, blob, sum) for photo, of, blob, sum, _ in page if of == model]
        unsound += [(photo, model) for photo in page_of(rows, dim).damaged]
    return sorted(unsound)
