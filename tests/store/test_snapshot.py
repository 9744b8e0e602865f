from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clipd.config.options import IndexConfig
from clipd.durable import replacing
from clipd.errors import StorageFullError, StoreUnavailableError
from clipd.store.follow import IndexFollower
from tests.store.stock import Stock, a_model


def saved(stock: Stock, count: int = 200) -> tuple[Path, Path]:
    """Save a snapshot of a filled index; return its index file and its JSON file."""
    stock.fill(count)
    follower = stock.follower()
    follower.start()
    follower.save()
    (index,) = (stock.folder / "index").glob("*.faiss")
    return index, index.with_suffix(".json")


def cut(index: Path, meta: Path) -> None:
    index.write_bytes(index.read_bytes()[:-1])


def empty(index: Path, meta: Path) -> None:
    index.write_bytes(b"")


def flip_a_bit(index: Path, meta: Path) -> None:
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 1
    index.write_bytes(data)


def lose_the_index(index: Path, meta: Path) -> None:
    index.unlink()


def lose_the_meta(index: Path, meta: Path) -> None:
    meta.unlink()


def garble_the_meta(index: Path, meta: Path) -> None:
    meta.write_bytes(b"\xff{")


def nest_the_meta(index: Path, meta: Path) -> None:
    meta.write_bytes(b"[" * 100_000)


def edit(**changes: object) -> Callable[[Path, Path], None]:
    def change(index: Path, meta: Path) -> None:
        data = json.loads(meta.read_text())
        for key, value in changes.items():
            (data["identity"] if key in data["identity"] else data)[key] = value
        meta.write_text(json.dumps(data))

    return change


DAMAGE = {
    "truncated": cut,
    "emptied": empty,
    "a flipped bit": flip_a_bit,
    "no index file": lose_the_index,
    "no meta file": lose_the_meta,
    "garbled meta": garble_the_meta,
    "nested meta": nest_the_meta,
    "an identity of lists": edit(model=[1]),
    "a generation to come": edit(generation=10**6),
    "a generation that is no number": edit(generation="400"),
    "a wrong count": edit(count=7),
    "another model": edit(model="other"),
    "another catalog": edit(lineage="other"),
    "a format to come": edit(format=99),
    "an unknown key": edit(colour="blue"),
    "a checksum that is no text": edit(checksum=7),
    "a wrong checksum": edit(checksum="00"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_snapshot_in_doubt_is_not_used(
    stock: Stock, damage: Callable[[Path, Path], None]
) -> None:
    damage(*saved(stock))

    follower = stock.follower()

    assert follower.start() == "index: 200 photos, built from the catalog"
    assert follower.differences() == ([], [])


def without_checksum(index: Path, meta: Path) -> None:
    data = json.loads(meta.read_text())
    del data["checksum"]
    meta.write_text(json.dumps(data))


def test_a_snapshot_of_a_former_clipd_serves_by_its_hash(stock: Stock) -> None:
    index, meta = saved(stock)
    without_checksum(index, meta)
    assert stock.follower().start() == "index: 200 photos, 0 changes after the snapshot"

    flip_a_bit(index, meta)
    assert stock.follower().start() == "index: 200 photos, built from the catalog"


def test_a_snapshot_that_disagrees_with_the_catalog_is_not_used(stock: Stock) -> None:
    saved(stock)
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000001.jpg", 50)
        stock.catalog.writer.write("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")

    follower = stock.follower()

    assert follower.start() == "index: 199 photos, built from the catalog"


def test_when_the_newest_is_damaged_the_one_before_serves(
    stock: Stock, caplog: pytest.LogCaptureFixture
) -> None:
    stock.fill(50)
    follower = stock.follower()
    follower.start()
    for number in range(1, 4):
        with stock.catalog.writing():
            stock.catalog.trim_journal(follower.save())
            stock.put(b"/photos/more-%d" % number, 1000 + number)
        follower.catch_up()
    newest, before = sorted((stock.folder / "index").glob("*.faiss"), reverse=True)
    flip_a_bit(newest, newest)

    with caplog.at_level(logging.WARNING):
        again = stock.follower()
        note = again.start()

    assert note == "index: 53 photos, 2 changes after the snapshot"
    assert "is damaged" in caplog.text
    assert again.differences() == ([], [])
    assert before.exists()


def suffixes(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_two_snapshots_are_kept_and_nothing_else_of_ours(stock: Stock) -> None:
    stock.fill(5)
    folder = stock.folder / "index"
    follower = stock.follower()
    follower.start()
    for number in range(4):
        with stock.catalog.writing():
            stock.put(b"/photos/more-%d" % number, 1000 + number)
        follower.catch_up()
        follower.save()
        (folder / ".index-7.faiss.ab12.tmp").write_bytes(b"left by a crash")
        (folder / "notes.txt").write_bytes(b"not ours")
    follower.save()

    kept = [".faiss"] * 2 + [".json"] * 2
    assert suffixes(folder) == [*kept, ".tmp", ".txt"]  # made after the last save that wrote
    stock.fill(6)
    follower.catch_up()
    follower.save()
    assert suffixes(folder) == [*kept, ".txt"]


def test_after_a_change_of_model_and_back_the_snapshot_serves_again(stock: Stock) -> None:
    saved(stock, 50)
    other = stock.follower(spec=a_model("other"))
    other.start()
    with stock.catalog.writing():
        stock.catalog.trim_journal(other.save())
        stock.put(b"/photos/new.jpg", 1000)

    back = stock.follower()

    assert back.start() == "index: 51 photos, 1 changes after the snapshot"


def test_snapshots_of_another_model_go_after_a_time(stock: Stock) -> None:
    for file in saved(stock, 50):
        os.utime(file, (1, 1))

    other = stock.follower(spec=a_model("other"))
    other.start()
    other.save()

    assert suffixes(stock.folder / "index") == [".faiss", ".json"]


def test_a_disk_that_is_too_slow_for_a_snapshot_is_given_up(stock: Stock) -> None:
    stock.fill(50)
    follower = stock.follower()
    follower.start()
    with pytest.raises(StoreUnavailableError, match="too slow"):
        follower.save(within_seconds=0)

    assert list((stock.folder / "index").iterdir()) == []
    follower.save()
    assert suffixes(stock.folder / "index") == [".faiss", ".json"]


def test_nothing_is_written_when_nothing_has_changed(stock: Stock) -> None:
    index, _ = saved(stock)
    before = _as_written(index)
    follower = stock.follower()
    follower.start()

    assert follower.save() > 0
    assert _as_written(index) == before


def _as_written(file: Path) -> tuple[int, int, int]:
    """Return what another write would change; a mere look at the file changes its access time."""
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(OSError, match="No space"),
        replacing(file) as stream,
    ):
        full.write(b"%d" % stream.write(b"new"))

    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_snapshot_that_finds_no_room_leaves_the_older_ones(
    stock: Stock, small_disk: Path
) -> None:
    stock.fill(100)
    folder = small_disk / "index"
    follower = IndexFollower(stock.reader, stock.model, stock.spec, IndexConfig(), folder)
    follower.start()
    follower.save()
    names = sorted(folder.iterdir())
    (small_disk / "ballast").write_bytes(bytes(2_080_000))
    with stock.catalog.writing():
        for number in range(100, 300):
            stock.put(b"/photos/%d" % number, number)
    follower.catch_up()

    with pytest.raises(StorageFullError):
        follower.save()

    assert sorted(folder.iterdir()) == names
    again = IndexFollower(stock.reader, stock.model, stock.spec, IndexConfig(), folder)
    assert again.start() == "index: 300 photos, 200 changes after the snapshot"
