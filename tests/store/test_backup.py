from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clipd.config.options import IndexConfig
from clipd.errors import (
    CatalogCorruptError,
    CatalogLockedError,
    CatalogNewerError,
    StorageFullError,
    StoreUnavailableError,
)
from clipd.store.backup import BACKUP, CATALOG, backed_up_at, backup, open_catalog
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.reader import CatalogReader
from tests.store.stock import Stock, a_model

NOW = 1_763_600_000


def stocked(folder: Path, count: int = 300) -> Path:
    with Stock(folder) as stock:
        stock.fill(count)
    return folder / CATALOG


def photos_in(folder: Path) -> tuple[int, str | None]:
    """Open a state folder as the daemon does; return its count of photos, and the note."""
    catalog, note = open_catalog(folder, NOW)
    reader = CatalogReader(folder / CATALOG)
    try:
        assert reader.damage().sentences == []
        return reader.counts(1).photos, note
    finally:
        reader.close()
        catalog.close()


def aside_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.damaged-*") if path.name[-1].isdigit())


def ruin_the_header(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[:100] = b"x" * 100
    file.write_bytes(data)


def ruin_it_all(file: Path) -> None:
    file.write_bytes(b"\xff" * file.stat().st_size)


def cut_it(file: Path) -> None:
    os.truncate(file, 8192)


DAMAGE = {"header": ruin_the_header, "all": ruin_it_all, "cut": cut_it}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_catalog_is_set_aside_and_the_backup_takes_its_place(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    file = stocked(tmp_path)
    backup(file, tmp_path)
    damage(file)
    (tmp_path / (CATALOG + ".suspect")).touch()
    damaged = file.read_bytes()

    count, note = photos_in(tmp_path)

    assert count == 300
    assert note is not None
    assert "the catalog was damaged" in note
    assert "the backup of" in note
    (aside,) = aside_in(tmp_path)
    assert aside in note
    assert (tmp_path / aside).read_bytes() == damaged
    assert photos_in(tmp_path) == (300, None)  # the next start has nothing to say


def test_without_a_backup_it_is_built_anew(tmp_path: Path) -> None:
    ruin_the_header(stocked(tmp_path))

    count, note = photos_in(tmp_path)

    assert count == 0
    assert note is not None
    assert "built anew" in note
    assert len(aside_in(tmp_path)) == 1


def test_a_damaged_backup_is_not_used(tmp_path: Path) -> None:
    file = stocked(tmp_path)
    ruin_it_all(backup(file, tmp_path))
    ruin_the_header(file)

    count, note = photos_in(tmp_path)

    assert count == 0
    assert note is not None
    assert "no usable backup" in note
    assert photos_in(tmp_path) == (0, None)


@pytest.mark.parametrize("lose", [Path.unlink, lambda file: os.truncate(file, 0)])
def test_a_catalog_that_is_missing_or_empty_comes_back_from_the_backup(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    file = stocked(tmp_path)
    backup(file, tmp_path)
    lose(file)

    count, note = photos_in(tmp_path)

    assert count == 300
    assert note is not None
    assert "missing" in note


def test_a_wal_left_behind_is_never_played_into_the_backup(tmp_path: Path) -> None:
    with Stock(tmp_path) as stock:
        stock.fill(10)
        backup(stock.file, tmp_path)
        with stock.catalog.writing():
            stock.put(b"/photos/later", 999)
        wal = (tmp_path / (CATALOG + "-wal")).read_bytes()
    ruin_it_all(stock.file)
    os.truncate(stock.file, 0)
    (tmp_path / (CATALOG + "-wal")).write_bytes(wal)

    assert photos_in(tmp_path)[0] == 10


def test_after_a_restore_no_older_snapshot_of_the_index_is_trusted(tmp_path: Path) -> None:
    with Stock(tmp_path) as stock:
        stock.fill(10)
        backup(stock.file, tmp_path)
        with stock.catalog.writing():
            stock.put(b"/photos/one", 100)
        follower = stock.follower()
        follower.start()
        follower.save()
        vector = stock.reader.vectors.of_photo(stock.model, 1)
        row = stock.catalog.path(b"/photos/000001.jpg")
    assert vector is not None
    assert row is not None
    ruin_the_header(stock.file)
    catalog, _ = open_catalog(tmp_path, NOW)
    with catalog.writing():
        # The same numbers of the journal again, for another photo.
        photo = catalog.add_photo(b"another", 1, 1, "PNG", "", NOW)
        catalog.put_path(row.root, b"/photos/two", row.fingerprint, photo)
        catalog.put_vector(1, photo, vector)
    reader = CatalogReader(stock.file)

    again = IndexFollower(reader, 1, a_model(), IndexConfig(), tmp_path / "index")

    assert again.start() == "index: 11 photos, built from the catalog"
    reader.close()
    catalog.close()


def test_damage_met_at_work_is_handled_at_the_next_start_after_a_clean_stop(
    tmp_path: Path,
) -> None:
    file = stocked(tmp_path, 1000)
    backup(file, tmp_path)
    data = bytearray(file.read_bytes())
    for page in range(30, len(data) // 8192):
        data[page * 8192 : page * 8192 + 64] = b"\xff" * 64
    file.write_bytes(data)
    catalog, note = open_catalog(tmp_path, NOW)
    assert note is None  # a clean stop is not doubted: at a million photos a check takes a minute
    with pytest.raises(CatalogCorruptError, match="sets it aside"):
        [catalog.path(b"/photos/%06d.jpg" % n) for n in range(1000)]
    catalog.close()
    assert (tmp_path / (CATALOG + ".suspect")).exists()

    count, note = photos_in(tmp_path)

    assert count == 1000
    assert note is not None
    assert not (tmp_path / (CATALOG + ".suspect")).exists()


def test_a_damaged_name_of_a_table_is_damage_like_any_other(tmp_path: Path) -> None:
    file = stocked(tmp_path)
    backup(file, tmp_path)
    content = file.read_bytes()
    assert b"CREATE TABLE roots" in content
    file.write_bytes(content.replace(b"CREATE TABLE roots", b"CREATE TABLE r\xefots"))

    count, note = photos_in(tmp_path)

    assert count == 300
    assert note is not None
    assert "was damaged" in note


def test_a_damaged_text_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = stocked(tmp_path)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE models SET name = CAST(x'74e96e79' AS TEXT)")
        connection.commit()
    catalog, _ = open_catalog(tmp_path, NOW)
    reader = CatalogReader(file)

    assert reader.connections.fetch("SELECT name FROM models") == [("t\ufffdny",)]
    reader.close()
    catalog.close()


def test_a_catalog_with_met_damage_is_to_be_opened_anew_where_its_folder_takes_files(
    tmp_path: Path,
) -> None:
    reader = CatalogReader(stocked(tmp_path))
    assert not reader.must_reopen()
    (tmp_path / (CATALOG + ".suspect")).touch()

    assert reader.must_reopen()
    reader.close()


def test_a_suspicion_without_damage_is_dropped(tmp_path: Path) -> None:
    stocked(tmp_path)
    (tmp_path / (CATALOG + ".suspect")).touch()

    assert photos_in(tmp_path) == (300, None)
    assert not (tmp_path / (CATALOG + ".suspect")).exists()


def test_a_newer_catalog_is_not_set_aside(tmp_path: Path) -> None:
    file = stocked(tmp_path)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 9000")
    connection.close()

    with pytest.raises(CatalogNewerError):
        open_catalog(tmp_path, NOW)

    assert aside_in(tmp_path) == []


def killed_on(disk: Path, elsewhere: Path) -> None:
    """Leave a catalog whose pages are in the WAL still, as a kill does."""
    with Stock(disk) as stock:
        stock.fill(300)
        wal = stock.file.with_name(CATALOG + "-wal")
        (elsewhere / "c").write_bytes(stock.file.read_bytes())
        (elsewhere / "w").write_bytes(wal.read_bytes())
    stock.file.write_bytes((elsewhere / "c").read_bytes())
    wal.write_bytes((elsewhere / "w").read_bytes())


def leave_no_room(disk: Path) -> Path:
    ballast = disk / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    return ballast


def closed_well(disk: Path, elsewhere: Path) -> None:
    stocked(disk)


@pytest.mark.parametrize("stop", [killed_on, closed_well])
def test_on_a_full_disk_the_catalog_answers_and_takes_writes_when_there_is_room_again(
    small_disk: Path, tmp_path: Path, stop: Callable[[Path, Path], None]
) -> None:
    stop(small_disk, tmp_path)
    ballast = leave_no_room(small_disk)

    catalog, note = open_catalog(small_disk, NOW)
    reader = CatalogReader(catalog.file, catalog.access)
    with contextlib.closing(catalog), contextlib.closing(reader):
        assert note is None
        assert "no room is left" in reader.disk_trouble()
        assert reader.counts(1).photos == 300
        with pytest.raises(StorageFullError), catalog.writing():
            write_much(catalog)
        assert reader.counts(1).photos == 300
        ballast.unlink()
        assert reader.disk_trouble() == ""
        with catalog.writing():
            write_much(catalog)
        assert reader.failures(b"", 10, skipped=False)
        backup(catalog.file, small_disk, catalog.access)

    assert aside_in(small_disk) == []
    assert photos_in(small_disk) == (300, None)


def write_much(catalog: Catalog) -> None:
    for number in range(100):
        path = b"/photos/%d" % number
        catalog.put_failure(1, path, None, "corrupt", "no picture: " + 999 * "x", NOW)


def test_on_a_disk_that_is_read_only_the_catalog_answers(small_disk: Path) -> None:
    stocked(small_disk)
    remount(small_disk, "ro")
    try:
        catalog, note = open_catalog(small_disk, NOW)
        reader = CatalogReader(catalog.file, catalog.access)
        with contextlib.closing(catalog), contextlib.closing(reader):
            assert note is None
            assert "cannot be written" in reader.disk_trouble()
            assert not reader.must_reopen()
            assert reader.counts(1).photos == 300
            with pytest.raises(StorageFullError, match="read-only"), catalog.writing():
                catalog.root(b"/other")
            remount(small_disk, "rw")
            assert reader.must_reopen()
    finally:
        remount(small_disk, "rw")

    assert photos_in(small_disk) == (300, None)


def test_on_a_disk_that_takes_no_more_files_the_catalog_answers(small_disk: Path) -> None:
    stocked(small_disk)
    subprocess.run(["mount", "-o", "remount,nr_inodes=2", str(small_disk)], check=True)

    catalog, note = open_catalog(small_disk, NOW)
    reader = CatalogReader(catalog.file, catalog.access)
    with contextlib.closing(catalog), contextlib.closing(reader):
        assert note is None
        assert reader.disk_trouble()
        assert reader.counts(1).photos == 300
        assert not reader.must_reopen()
        subprocess.run(["mount", "-o", "remount,nr_inodes=99", str(small_disk)], check=True)
        assert reader.must_reopen()


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


def test_where_another_program_writes_the_catalog_is_opened_and_a_write_is_refused(
    tmp_path: Path,
) -> None:
    with Stock(tmp_path) as stock:
        stock.fill(1)
    with contextlib.closing(sqlite3.connect(stock.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Stock(tmp_path) as again:  # the root and the model are known
            assert again.reader.counts(again.model).photos == 1
            with again.catalog.writing():
                assert again.catalog.path(b"/photos/000000.jpg") is not None  # only a look
            with pytest.raises(CatalogLockedError, match="another program"):
                again.fill(2)
            other.execute("ROLLBACK")
            again.fill(2)


def test_a_backup_for_which_there_is_no_file_is_refused_as_one_without_room(
    stock: Stock, tmp_path: Path
) -> None:
    disk = tmp_path / "files"
    disk.mkdir()
    size = ["-o", "size=2m,nr_inodes=1"]  # the folder itself is the one
    if subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", str(disk)]).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        with pytest.raises(StoreUnavailableError):
            backup(stock.file, disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_backup_is_private_whatever_the_umask(stock: Stock) -> None:
    before = os.umask(0)
    try:
        for _ in range(2):
            made = backup(stock.file, stock.folder)
            assert made.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_backup_is_whole_while_the_catalog_is_written(stock: Stock) -> None:
    stock.fill(100)
    assert backed_up_at(stock.folder) is None
    with stock.catalog.writing():
        stock.put(b"/photos/not-yet", 999)
        backup(stock.file, stock.folder)

    assert backed_up_at(stock.folder) is not None
    copy = CatalogReader(stock.folder / BACKUP)
    assert copy.counts(stock.model).photos == 100
    assert copy.damage().sentences == []
    copy.close()


def test_a_backup_that_finds_no_room_leaves_the_older_one(small_disk: Path) -> None:
    with Stock(small_disk) as stock:
        stock.fill(100)
        older = backup(stock.file, small_disk).read_bytes()
        left = shutil.disk_usage(small_disk).free
        (small_disk / "ballast").write_bytes(bytes(left - 64_000))

        with pytest.raises(StorageFullError):
            backup(stock.file, small_disk)

    assert (small_disk / BACKUP).read_bytes() == older
    assert not (small_disk / (BACKUP + ".tmp")).exists()


def test_a_damaged_catalog_does_not_replace_a_good_backup(tmp_path: Path) -> None:
    file = stocked(tmp_path)
    older = backup(file, tmp_path).read_bytes()
    cut_it(file)

    with pytest.raises(CatalogCorruptError):
        backup(file, tmp_path)

    assert (tmp_path / BACKUP).read_bytes() == older


def test_damaged_catalogs_do_not_pile_up(tmp_path: Path) -> None:
    for day in range(5):
        (tmp_path / CATALOG).write_bytes(b"%d" % day * 9000)
        open_catalog(tmp_path, NOW + 86400 * day)[0].close()

    contents = [(tmp_path / name).read_bytes()[:1] for name in aside_in(tmp_path)]
    assert contents == [b"3", b"4"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be opened"):
        Catalog.open(tmp_path / "nowhere" / CATALOG)
