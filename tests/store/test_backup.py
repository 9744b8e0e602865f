from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from clipd.errors import CatalogCorruptError, CatalogNewerError, StorageFullError
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
        assert reader.problems() == []
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
        vector = stock.reader.vector(stock.model, 1)
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

    again = IndexFollower(reader, 1, a_model(), "fp16", tmp_path / "index")

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
    with pytest.raises(CatalogCorruptError, match="restart clipd"):
        [catalog.path(b"/photos/%06d.jpg" % n) for n in range(1000)]
    catalog.close()
    assert (tmp_path / (CATALOG + ".suspect")).exists()

    count, note = photos_in(tmp_path)

    assert count == 1000
    assert note is not None
    assert not (tmp_path / (CATALOG + ".suspect")).exists()


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


def test_a_disk_without_room_is_not_taken_for_damage(small_disk: Path, tmp_path: Path) -> None:
    with Stock(small_disk) as stock:
        stock.fill(300)
        wal = stock.file.with_name(CATALOG + "-wal")
        # Killed now: the catalog's pages are in the WAL still, and there is no room for more.
        (tmp_path / "c").write_bytes(stock.file.read_bytes())
        (tmp_path / "w").write_bytes(wal.read_bytes())
    stock.file.write_bytes((tmp_path / "c").read_bytes())
    wal.write_bytes((tmp_path / "w").read_bytes())
    with contextlib.suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as ballast:
        while ballast.write(bytes(4096)):
            pass

    with pytest.raises(StorageFullError):
        open_catalog(small_disk, NOW)[0].close()

    assert aside_in(small_disk) == []
    (small_disk / "ballast").unlink()
    assert photos_in(small_disk) == (300, None)


def test_a_backup_is_whole_while_the_catalog_is_written(stock: Stock) -> None:
    stock.fill(100)
    assert backed_up_at(stock.folder) is None
    with stock.catalog.writing():
        stock.put(b"/photos/not-yet", 999)
        backup(stock.file, stock.folder)

    assert backed_up_at(stock.folder) is not None
    copy = CatalogReader(stock.folder / BACKUP)
    assert copy.counts(stock.model).photos == 100
    assert copy.problems() == []
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
