"""Snapshots, backups and purges, each when it is due, on real stores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.config.options import StoreConfig
from clipd.ingest import chores as chores_module
from clipd.ingest.chores import Upkeep
from clipd.store.backup import BACKUP, backed_up_at, backup
from clipd.store.follow import IndexFollower
from tests.store.stock import Stock


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    with Stock(tmp_path) as stock:
        yield stock


def _upkeep(
    stock: Stock, follower: IndexFollower, last_backup: float = float("inf"), keep: float = 3600
) -> Upkeep:
    return Upkeep(
        StoreConfig(keep=keep),
        stock.catalog,
        follower,
        back_up=lambda pace: backup(stock.file, stock.folder, pace=pace),
        last_backup=last_backup,
    )


def _let_back_up(upkeep: Upkeep) -> None:
    """Run it as the indexer does until the backup that it begins is made, or not."""
    deadline = time.monotonic() + 60
    upkeep.run(is_idle=True)
    while upkeep.is_backing_up:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        upkeep.run(is_idle=False)


def _forget_all(stock: Stock, count: int) -> None:
    with stock.catalog.writing():
        for number in range(count):
            stock.catalog.forget_path(b"/photos/%06d.jpg" % number, 1000)


def _refuse_writes(stock: Stock) -> None:
    """Have SQLite refuse as it does on a disk that was remounted read-only."""
    stock.catalog.writer.connection.execute("PRAGMA query_only = 1").fetchone()


def test_long_gone_photos_are_purged_slice_by_slice_when_nothing_else_waits(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores_module, "_PURGE_SLICE", 4)
    stock.fill(10)
    _forget_all(stock, 9)
    upkeep = _upkeep(stock, stock.follower())
    upkeep.run(is_idle=False)
    assert stock.catalog.path(b"/photos/000000.jpg") is not None

    for _ in range(6):
        upkeep.run(is_idle=True)
    assert [stock.catalog.path(b"/photos/%06d.jpg" % n) is None for n in range(10)] == [
        *[True] * 9,
        False,
    ]


def test_a_photo_that_went_a_moment_ago_is_kept(stock: Stock) -> None:
    stock.fill(1)
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000000.jpg", int(time.time()))
    _upkeep(stock, stock.follower()).run(is_idle=True)
    assert stock.catalog.path(b"/photos/000000.jpg") is not None


def test_a_backup_that_cannot_be_made_is_told_and_tried_again_soon(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores_module, "_BACKUP_RETRY_SECONDS", 0)
    in_the_way = stock.folder / (BACKUP + ".tmp")
    in_the_way.mkdir()
    upkeep = _upkeep(stock, stock.follower(), last_backup=0)
    _let_back_up(upkeep)
    assert "there is no new backup" in upkeep.problem

    in_the_way.rmdir()
    _let_back_up(upkeep)
    assert upkeep.problem == ""
    assert backed_up_at(stock.folder) is not None


def test_a_backup_is_made_when_the_last_one_is_old_and_then_not_again(stock: Stock) -> None:
    upkeep = _upkeep(stock, stock.follower(), last_backup=0)
    upkeep.run(is_idle=False)
    assert backed_up_at(stock.folder) is None
    _let_back_up(upkeep)
    assert backed_up_at(stock.folder) is not None

    (stock.folder / "backup.sqlite").unlink()
    _let_back_up(upkeep)
    assert backed_up_at(stock.folder) is None


def test_a_purge_that_the_disk_refuses_keeps_no_backup_from_being_made(
    stock: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    stock.fill(10)
    _forget_all(stock, 10)
    upkeep = _upkeep(stock, stock.follower(), last_backup=0)
    _refuse_writes(stock)
    for _ in range(5):
        _let_back_up(upkeep)
    assert backed_up_at(stock.folder) is not None
    assert len([each for each in caplog.records if "read-only" in each.message]) == 1


def test_work_goes_on_while_a_backup_is_made_and_a_stop_ends_it(stock: Stock) -> None:
    stock.fill(20_000)
    upkeep = _upkeep(stock, stock.follower(), last_backup=0)
    upkeep.run(is_idle=True)
    assert upkeep.is_backing_up
    with stock.catalog.writing():
        stock.put(b"/photos/new.jpg", 50_000)

    began = time.monotonic()
    upkeep.finish()

    assert time.monotonic() - began < 10
    assert not upkeep.is_backing_up
    assert list(stock.folder.glob(BACKUP + ".*")) == []  # a half of it


def test_a_stop_leaves_a_snapshot_and_a_short_journal(stock: Stock) -> None:
    follower = stock.follower()
    follower.start()
    stock.fill(10)
    follower.catch_up()
    _upkeep(stock, follower).finish()

    floor, head = stock.reader.journal.span()
    assert floor == head
    resumed = stock.follower()
    assert "0 changes after the snapshot" in resumed.start()
