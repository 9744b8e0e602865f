"""What stays quick at a million photos: a statement that reads a whole table is a bug."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clipd.photo import Fingerprint, Meta
from clipd.store.vectors import pack
from tests.store.stock import ROOT, Stock, a_hash, a_print, a_vector

LARGE = re.compile(r"SCAN (paths|photos|vectors|failures|journal|meta|tags)\b(?!.*json_each)")
SORT = re.compile(r"USE TEMP B-TREE FOR (LAST TERM OF |RIGHT PART OF )?ORDER BY")
SORTED_AT_MOST = "json_each"  # such a statement sorts no more rows than it was asked for
PATH = b"/photos/000001.jpg"

READS: dict[str, Callable[[Stock], object]] = {
    "folder_rows": lambda s: s.reader.folder_rows(ROOT, b"a", 10),
    "folders": lambda s: s.reader.folders(s.root, b"", 10),
    "known_at": lambda s: s.reader.known_at(PATH),
    "live_files": lambda s: s.reader.live_files(s.root, PATH, 10),
    "live_file": lambda s: s.reader.live_file(PATH),
    "indexable_ids": lambda s: s.reader.vectors.indexable_ids(s.model, 1, 10),
    "has": lambda s: s.reader.vectors.has(s.model, a_hash(1)),
    "locate": lambda s: s.reader.locate([1, 2]),
    "photo_at": lambda s: s.reader.photo_at(PATH),
    "of_photo": lambda s: s.reader.vectors.of_photo(s.model, 1),
    "indexable_of": lambda s: s.reader.vectors.indexable_of(s.model, [1, 2]),
    "indexable": lambda s: s.reader.vectors.indexable(s.model, 1, 10),
    "of_text": lambda s: s.reader.vectors.of_text(s.model, "sunset"),
    "journal": lambda s: s.reader.journal.after(1, 10),
    "counts": lambda s: s.reader.counts(s.model),
    "root_counts": lambda s: s.reader.root_counts(),
    "failures": lambda s: s.reader.failures(PATH, 10, skipped=True),
    "errors": lambda s: s.reader.failures(PATH, 10, skipped=False),
}
WRITES: dict[str, Callable[[Stock], object]] = {
    "put": lambda s: s.put(PATH, 9),
    "path": lambda s: s.catalog.path(PATH),
    "paths_of": lambda s: s.catalog.paths_of(1),
    "same_inode": lambda s: s.catalog.same_inode(a_print(1), PATH, 8),
    "failures_due": lambda s: s.catalog.failures_due(10**11, 10),
    "retry_in_new_world": lambda s: s.catalog.retry_in_new_world("corrupt", "new"),
    "retry_under": lambda s: s.catalog.retry_under(PATH),
    "paths_under": lambda s: s.catalog.paths_under(ROOT, PATH, 10),
    "failure": lambda s: s.catalog.failure(PATH),
    "put_failure": lambda s: s.catalog.put_failure(s.root, PATH, None, "empty", "no bytes", 5),
    "doubt_path": lambda s: s.catalog.doubt_path(PATH),
    "forget_path": lambda s: s.catalog.forget_path(PATH, 5),
    "revive": lambda s: s.catalog.revive(s.root, 5),
    "put_text_vector": lambda s: s.catalog.put_text_vector(s.model, "sunset", a_vector(1), 5),
    "purge": lambda s: s.catalog.purge(10**11),
    "trim_journal": lambda s: s.catalog.trim_journal(5),
    "put_meta": lambda s: s.catalog.put_meta(1, Meta(camera="Canon", tags=("sea",))),
    "add_vector": lambda s: s.catalog.add_vector(s.model, 1, pack(a_vector(2))),
    "expect": lambda s: s.catalog.expect(1, 5),
    "put_sharpness": lambda s: s.catalog.put_sharpness(1, 12.5),
    "date_by_path": lambda s: s.catalog.date_by_path(1, "2019-07-12T14:03:22", "name"),
    "is_dated_by_path": lambda s: s.catalog.is_dated_by_path(1),
    "places_of": lambda s: s.catalog.places_of(1),
    "is_unread": lambda s: s.catalog.is_unread(1),
    "has_meta": lambda s: s.catalog.has_meta(1),
    "mark_read": lambda s: s.catalog.mark_read(1),
    "have_read_again": lambda s: s.catalog.have_read_again(1),
    "last_photo": lambda s: s.catalog.last_photo(),
    "unread_photos": lambda s: s.catalog.unread_photos(1, 10),
    "photos_beside": lambda s: s.catalog.photos_beside(ROOT, b"000001.jpg"),
    "lacking": lambda s: s.catalog.photos_without_vector(s.model, 1, 10),
}


def whole_reads(connection: sqlite3.Connection, statements: list[str]) -> list[str]:
    """Return the steps of these statements that read a large table from end to end, or sort one."""
    plans = [
        (row[3], sql)
        for sql in statements
        if not sql.startswith(("--", "PRAGMA", "BEGIN", "COMMIT"))  # "--" leads a trigger's
        for row in connection.execute("EXPLAIN QUERY PLAN " + sql).fetchall()
    ]
    return [
        f"{step}: {sql}"
        for step, sql in plans
        if LARGE.search(step) or (SORT.search(step) and SORTED_AT_MOST not in sql)
    ]


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_no_answer_reads_a_whole_table(stock: Stock, read: Callable[[Stock], object]) -> None:
    stock.fill(10)
    statements: list[str] = []
    with stock.reader.connections.lent() as connection:  # the one that is lent next, too
        connection.set_trace_callback(statements.append)

    read(stock)

    connection.set_trace_callback(None)
    assert statements
    assert whole_reads(connection, statements) == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_no_change_reads_a_whole_table(stock: Stock, write: Callable[[Stock], object]) -> None:
    stock.fill(10)
    statements: list[str] = []
    connection = stock.catalog.writer.connection

    with stock.catalog.writing():
        connection.set_trace_callback(statements.append)
        write(stock)
        connection.set_trace_callback(None)

    assert statements
    assert whole_reads(connection, statements) == []


ROWS = 300_000
STEPS = 100_000  # of SQLite's virtual machine; a page of 500 rows takes some ten thousand
FILL = (
    """INSERT INTO photos (content_hash, width, height, format, taken_at, added_at, left_at)
        SELECT randomblob(16), 4, 3, 'JPEG', '', 5, 5 FROM numbers""",
    """INSERT INTO paths (root_id, folder, name, photo_id, size_bytes, mtime_ns, ctime_ns, inode,
        device, born_ns)
        SELECT 1, cast(printf('/photos/%05d', n % 20000) AS BLOB),
        cast(printf('%06d.jpg', n) AS BLOB), n + 1, 100, 5, 5, 1, 7, 5 FROM numbers""",
    """INSERT INTO failures (folder, name, root_id, kind, reason, since)
        SELECT cast(printf('/photos/%05d', n % 20000) AS BLOB),
        cast(printf('%06d.xmp', n) AS BLOB), 1, 'skipped', 'no picture', 5 FROM numbers""",
)
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
# A link of a file that has 300,000 of them, a folder behind half of all, and the like.
LINKED = Fingerprint(100, 5, 5, 1, 7, 5)
MIDDLE = b"/photos/10000"
COSTS: dict[str, Callable[[Stock], object]] = READS | {
    "a page of folders": lambda s: s.reader.folders(s.root, MIDDLE, 500),
    "a folder": lambda s: s.reader.folder_rows(MIDDLE, b"", 500),
    "paths under": lambda s: s.catalog.paths_under(ROOT, MIDDLE + b"/010000.jpg", 500),
    "same inode": lambda s: s.catalog.same_inode(LINKED, PATH),
    "a slice of unread photos": lambda s: s.catalog.unread_photos(100_000, 102_000),
    "lacking": lambda s: s.catalog.photos_without_vector(s.model, 1, 500),
}


@pytest.fixture(scope="module")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    with Stock(folder) as stock:
        file = stock.file
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for statement in FILL:
            connection.execute(f"{NUMBERS} {statement}", (ROWS - 1,))
    return folder


@pytest.fixture
def large(large_folder: Path) -> Iterator[Stock]:
    with Stock(large_folder) as stock:
        yield stock


@pytest.mark.slow
@pytest.mark.parametrize("ask", COSTS.values(), ids=COSTS.keys())
def test_at_300_000_paths_and_failures_an_answer_costs_no_more_than_its_page(
    large: Stock, ask: Callable[[Stock], object]
) -> None:
    thousands: list[int] = []

    def count() -> None:
        thousands.append(1)

    with large.reader.connections.lent() as reading:
        pass
    for connection in (reading, large.catalog.writer.connection):
        connection.set_progress_handler(count, 1000)

    ask(large)

    for connection in (reading, large.catalog.writer.connection):
        connection.set_progress_handler(None, 1000)
    assert len(thousands) * 1000 < STEPS
