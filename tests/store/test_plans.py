"""What stays quick at a million photos: a statement that reads a whole table is a bug."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import pytest

from tests.store.stock import ROOT, Stock, a_hash, a_print, a_vector

LARGE = re.compile(r"SCAN (paths|photos|vectors|failures|journal)\b(?!.*json_each)")
PATH = b"/photos/000001.jpg"

READS: dict[str, Callable[[Stock], object]] = {
    "folder_rows": lambda s: s.reader.folder_rows(ROOT, b"a", 10),
    "folders": lambda s: s.reader.folders(s.root, b"", 10),
    "has_vector": lambda s: s.reader.has_vector(s.model, a_hash(1)),
    "locate": lambda s: s.reader.locate([1, 2]),
    "photo_at": lambda s: s.reader.photo_at(PATH),
    "vector": lambda s: s.reader.vector(s.model, 1),
    "vectors_of": lambda s: s.reader.vectors_of(s.model, [1, 2]),
    "indexable": lambda s: s.reader.indexable(s.model, 1, 10),
    "text_vector": lambda s: s.reader.text_vector(s.model, "sunset"),
    "journal_after": lambda s: s.reader.journal_after(1, 10),
    "counts": lambda s: s.reader.counts(s.model),
    "root_counts": lambda s: s.reader.root_counts(),
    "failures": lambda s: s.reader.failures(PATH, 10, skipped=True),
    "errors": lambda s: s.reader.failures(PATH, 10, skipped=False),
}
WRITES: dict[str, Callable[[Stock], object]] = {
    "put": lambda s: s.put(PATH, 9),
    "path": lambda s: s.catalog.path(PATH),
    "paths_of": lambda s: s.catalog.paths_of(1),
    "moved_from": lambda s: s.catalog.moved_from(a_print(1)),
    "paths_under": lambda s: s.catalog.paths_under(ROOT, PATH, 10),
    "failure": lambda s: s.catalog.failure(PATH),
    "put_failure": lambda s: s.catalog.put_failure(s.root, PATH, None, "empty", "no bytes", 5),
    "forget_path": lambda s: s.catalog.forget_path(PATH, 5),
    "revive": lambda s: s.catalog.revive(s.root, 5),
    "put_text_vector": lambda s: s.catalog.put_text_vector(s.model, "sunset", a_vector(1), 5),
    "purge": lambda s: s.catalog.purge(10**11),
    "trim_journal": lambda s: s.catalog.trim_journal(5),
    "lacking": lambda s: s.catalog.photos_without_vector(s.model, 1, 10),
}


def whole_reads(connection: sqlite3.Connection, statements: list[str]) -> list[str]:
    """Return the steps of these statements that read a large table from end to end."""
    plans = [
        (row[3], sql)
        for sql in statements
        if not sql.startswith(("--", "PRAGMA", "BEGIN", "COMMIT"))  # "--" leads a trigger's
        for row in connection.execute("EXPLAIN QUERY PLAN " + sql).fetchall()
    ]
    return [f"{step}: {sql}" for step, sql in plans if LARGE.search(step)]


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_no_answer_reads_a_whole_table(stock: Stock, read: Callable[[Stock], object]) -> None:
    stock.fill(10)
    statements: list[str] = []
    with stock.reader._connection() as connection:  # the one that is lent next, too
        connection.set_trace_callback(statements.append)

    read(stock)

    connection.set_trace_callback(None)
    assert statements
    assert whole_reads(connection, statements) == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_no_change_reads_a_whole_table(stock: Stock, write: Callable[[Stock], object]) -> None:
    stock.fill(10)
    statements: list[str] = []
    connection = stock.catalog._connection

    with stock.catalog.writing():
        connection.set_trace_callback(statements.append)
        write(stock)
        connection.set_trace_callback(None)

    assert statements
    assert whole_reads(connection, statements) == []
