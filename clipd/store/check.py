"""Checking that the catalog holds together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from clipd.store.schema import RECOUNT
from clipd.store.vectors import KeptVector, page_of

_SHOWN = 5  # of each kind of problem
_SLICE = 2000  # vectors in memory at a time


def problems(connection: sqlite3.Connection) -> list[str]:
    """Return a sentence for everything that is wrong with an open catalog."""
    pages = broken_pages(connection)
    # Where pages are broken the rest would only repeat it, or fail.
    return pages or [
        *_dangling_rows(connection),
        *_wrong_counts(connection),
        *_wrong_vectors(connection),
    ]


def broken_pages(connection: sqlite3.Connection, thoroughly: bool = False) -> list[str]:
    """Return a sentence for damage to the file itself; thoroughly: indexes against tables too."""
    pragma = "integrity_check" if thoroughly else "quick_check"
    rows = connection.execute(f"PRAGMA {pragma}({_SHOWN})").fetchall()
    return [f"the catalog is damaged: {line}" for (line,) in rows if line != "ok"]


def damaged_vectors(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Return (photo, model) of vectors that are not as written, or cannot be vectors."""
    return [key for page in _vector_pages(connection) for key in _damaged_in(page)]


def _dangling_rows(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("PRAGMA foreign_key_check").fetchmany(_SHOWN)
    return [f"row {row} of {table} refers to missing {to}" for table, row, to, _ in rows]


def _wrong_counts(connection: sqlite3.Connection) -> Iterator[str]:
    live = "SELECT count(*) FROM paths WHERE photo_id = photos.id AND gone_at IS NULL"
    sql = f"SELECT id FROM photos WHERE live <> ({live}) LIMIT {_SHOWN}"
    for (photo,) in connection.execute(sql).fetchall():
        yield f"photo {photo} has a wrong count of paths"
    sql = "SELECT what, id, value FROM tallies WHERE value <> 0"
    kept = set(connection.execute(sql).fetchall())
    found = {row for row in connection.execute(RECOUNT).fetchall() if row[2]}
    for what, key, value in sorted(found - kept):
        yield f"the count of {what} ({key}) is not {value}, as it should be"
    for what, key, value in sorted(kept - found):
        yield f"the count of {what} ({key}) is {value}, as it should not be"


def _wrong_vectors(connection: sqlite3.Connection) -> list[str]:
    damaged = damaged_vectors(connection)
    more = f", and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
    photos = ", ".join(str(photo) for photo, _ in damaged[:_SHOWN])
    return [f"unusable vectors of photos {photos}{more}"] if damaged else []


_Row = tuple[int, int, bytes, int | None, int]  # photo, model, vector, checksum, dim


def _vector_pages(connection: sqlite3.Connection) -> Iterator[list[_Row]]:
    last = (0, 0)
    while page := connection.execute(
        "SELECT photo_id, model_id, vector, checksum, dim FROM vectors"
        " JOIN models ON models.id = model_id"
        " WHERE (photo_id, model_id) > (?, ?) ORDER BY photo_id, model_id LIMIT ?",
        (*last, _SLICE),
    ).fetchall():
        yield page
        last = page[-1][:2]


def _damaged_in(page: list[_Row]) -> Iterator[tuple[int, int]]:
    for model, dim in {(row[1], row[4]) for row in page}:
        rows = [KeptVector(photo, blob, sum) for photo, of, blob, sum, _ in page if of == model]
        yield from ((photo, model) for photo in page_of(rows, dim).damaged)
