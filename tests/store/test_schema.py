"""A catalog of an older clipd becomes a present one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from clipd.store.backup import BACKUP, CATALOG, backup, fresh_backup_at
from tests.store.stock import Stock, a_vector

OLD = Path(__file__).with_name("catalog_0_1.sql")


@pytest.fixture
def old_folder(tmp_path: Path) -> Path:
    """A state folder with the catalog that clipd 0.1 wrote."""
    with contextlib.closing(sqlite3.connect(tmp_path / CATALOG)) as connection:
        connection.executescript(OLD.read_text())
    return tmp_path


def test_a_catalog_of_0_1_keeps_its_photos_and_vectors(old_folder: Path) -> None:
    with Stock(old_folder) as stock:
        row = stock.catalog.path(b"/photos/000001.jpg")
        assert row is not None
        assert (row.photo, row.fingerprint.inode, row.fingerprint.born_ns) == (2, 1, 0)
        vector = stock.reader.vectors.of_photo(stock.model, 2)
        assert vector is not None
        assert vector @ a_vector(1) == pytest.approx(1, abs=0.01)
        assert len(stock.reader.failures(b"", 10, skipped=True)) == 2
        assert stock.reader.damage().sentences == []
        follower = stock.follower()
        assert follower.start() == "index: 2 photos, built from the catalog"


def test_a_photo_that_is_dropped_takes_what_it_said_of_itself_along(tmp_path: Path) -> None:
    with Stock(tmp_path) as stock:
        kept, dropped = stock.fill(2)
        with stock.catalog.writing():
            for photo in (kept, dropped):
                stock.catalog.writer.write(
                    "INSERT INTO meta (photo_id, read_by) VALUES (?, 1)", photo
                )
                stock.catalog.writer.write("INSERT INTO tags VALUES (?, 'beach')", photo)
            stock.catalog.forget_path(b"/photos/000001.jpg", 5)
        for _ in range(2):
            with stock.catalog.writing():
                stock.catalog.purge(10**11)

        for table in ("meta", "tags"):
            assert stock.catalog.writer.fetch(f"SELECT photo_id FROM {table}") == [(kept,)]
        assert stock.reader.damage().sentences == []


def test_files_beside_photos_that_0_1_skipped_are_looked_at_again(old_folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(old_folder / CATALOG)) as connection, connection:
        connection.execute(
            "INSERT INTO failures VALUES (?, ?, 1, 5, 5, 5, 5, 5, 'skipped', 'by its name', 1000)",
            (b"/photos", b"000001.jpg.XMP"),
        )
    with Stock(old_folder) as stock:
        assert len(stock.reader.failures(b"", 10, skipped=True)) == 2
        assert stock.reader.counts(stock.model).skipped == 1
        known = stock.reader.known_at(b"/photos/000001.jpg.XMP")
        assert known is not None
        assert (known.kind, known.fingerprint) == ("sidecar", None)
        assert stock.reader.damage().sentences == []


def test_vectors_of_0_1_get_their_checksums_little_by_little(old_folder: Path) -> None:
    with Stock(old_folder) as stock:
        done = []
        for _ in range(3):
            with stock.catalog.writing():
                done.append(stock.catalog.add_checksums(limit=2))
        assert done == [2, 1, 0]
        assert stock.reader.damage().sentences == []
        assert stock.reader.journal.span()[1] == 7  # the index has nothing to do with it


def test_texts_of_queries_that_0_1_kept_in_clear_leave_the_files(old_folder: Path) -> None:
    assert b"sunset at the sea" in (old_folder / CATALOG).read_bytes()

    with Stock(old_folder) as stock:
        kept = stock.reader.vectors.of_text(stock.model, "a sunset at the sea")
        backup(stock.file, old_folder)

    assert kept is not None
    assert kept @ a_vector(7) == pytest.approx(1)
    for file in old_folder.iterdir():
        assert b"sunset" not in file.read_bytes(), file


def test_a_backup_of_0_1_is_due_to_be_replaced(old_folder: Path) -> None:
    shutil.copy(old_folder / CATALOG, old_folder / BACKUP)
    assert fresh_backup_at(old_folder) is None  # it may hold clear texts
    with Stock(old_folder) as stock:
        backup(stock.file, old_folder)

    assert fresh_backup_at(old_folder) is not None
