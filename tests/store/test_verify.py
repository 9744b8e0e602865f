"""What a check finds in catalog and index, and what mending them leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipd.errors import CatalogCorruptError, CheckStoppedError
from clipd.store.follow import IndexFollower
from clipd.store.pace import Pace
from tests.store.stock import DIM, Stock, a_vector, spoil_an_index

NOTHING = np.empty(0, np.int64), np.empty((0, DIM), np.float32)


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    with Stock(tmp_path) as stock:
        yield stock


@pytest.fixture
def follower(stock: Stock) -> IndexFollower:
    follower = stock.follower()
    follower.start()
    stock.fill(10)
    follower.catch_up()
    return follower


def _lose(follower: IndexFollower, photo: int) -> None:
    follower.index.replace(np.array([photo], np.int64), *NOTHING)


def _stored(stock: Stock, photo: int) -> bytes:
    sql = "SELECT vector FROM vectors WHERE photo_id = ?"
    return bytes(stock.catalog.writer.fetch(sql, photo)[0][0])


def _damage(stock: Stock, photo: int, blob: bytes) -> None:
    with stock.catalog.writing():
        stock.catalog.writer.write("UPDATE vectors SET vector = ? WHERE photo_id = ?", blob, photo)


def test_what_agrees_is_said_to_agree(stock: Stock, follower: IndexFollower) -> None:
    assert stock.reader.damage().sentences == []
    assert follower.differences() == ([], [])


def test_a_photo_that_the_index_lacks_is_found_and_put_back(
    stock: Stock, follower: IndexFollower
) -> None:
    lost = stock.put_id(3)
    _lose(follower, lost)
    assert follower.differences() == ([lost], [])
    assert follower.confirmed([lost]) == ([lost], [])

    follower.mend([lost])
    assert lost in follower.index
    assert follower.differences() == ([], [])


def test_a_photo_that_the_index_should_not_hold_is_found_and_taken_out(
    follower: IndexFollower,
) -> None:
    follower.index.replace(NOTHING[0], np.array([999], np.int64), a_vector(1)[np.newaxis])
    assert follower.differences() == ([], [999])

    follower.mend([999])
    assert 999 not in follower.index
    assert follower.differences() == ([], [])


def test_differences_are_found_on_every_page(
    stock: Stock, follower: IndexFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.store.index_comparison._PAGE", 3)
    photos = [stock.put_id(content) for content in range(10)]
    for photo in (photos[0], photos[5], photos[9]):
        _lose(follower, photo)
    stray = np.array([700, 800], np.int64)
    follower.index.replace(NOTHING[0], stray, np.stack([a_vector(1), a_vector(2)]))

    assert follower.differences() == ([photos[0], photos[5], photos[9]], [700, 800])


def test_what_came_since_the_comparison_is_no_difference_in_the_end(
    stock: Stock, follower: IndexFollower
) -> None:
    stock.fill(12)  # committed, not in the index yet
    missing, _ = follower.differences()
    assert len(missing) == 2
    assert follower.confirmed(missing) == ([], [])


def test_an_index_that_holds_none_of_a_large_catalog_is_mended_whole(
    stock: Stock, follower: IndexFollower
) -> None:
    follower.index.replace(follower.index.ids(), *NOTHING)
    missing, _ = follower.differences()
    follower.mend(missing)
    assert len(follower.index) == 10


@pytest.mark.parametrize(
    "what",
    ["cut short", "zero", "not a number", "infinite", "an exponent's bit", "a sign and more"],
)
def test_a_vector_that_cannot_be_one_is_found_dropped_and_encoded_again(
    stock: Stock, follower: IndexFollower, what: str
) -> None:
    photo = stock.put_id(5)
    halves = np.frombuffer(_stored(stock, photo), "<u2").copy()
    if what == "zero":
        halves[:] = 0
    elif what == "not a number":
        halves[3] = 0x7E00
    elif what == "infinite":
        halves[3] = 0x7C00
    elif what == "an exponent's bit":
        halves[3] ^= 0x4000
    elif what == "a sign and more":
        halves[3:6] ^= 0xF000
    blob = halves.tobytes()
    _damage(stock, photo, blob[:-2] if what == "cut short" else blob)

    found = stock.reader.damage()
    assert found.vectors == ((photo, stock.model),)
    assert "unusable vectors" in " ".join(found.sentences)

    with stock.catalog.writing():
        stock.catalog.repair(found)
    follower.catch_up()
    assert stock.reader.damage().sentences == []
    assert photo not in follower.index
    assert stock.catalog.count_without_vector(stock.model) == 1


def test_a_vector_that_was_written_anew_since_it_was_found_is_kept(
    stock: Stock, follower: IndexFollower
) -> None:
    photo = stock.put_id(5)
    good = _stored(stock, photo)
    _damage(stock, photo, bytes(2 * DIM))
    found = stock.reader.damage()
    _damage(stock, photo, good)

    with stock.catalog.writing():
        stock.catalog.repair(found)
    assert stock.catalog.count_without_vector(stock.model) == 0


def test_rows_that_refer_to_nothing_are_dropped_and_their_paths_named(
    stock: Stock, follower: IndexFollower
) -> None:
    stock.catalog.writer.fetch("PRAGMA foreign_keys = OFF")
    with stock.catalog.writing():
        stock.catalog.writer.write("UPDATE paths SET photo_id = 77 WHERE name = '000004.jpg'")
        stock.catalog.writer.write("UPDATE paths SET photo_id = 77 WHERE name = ?", b"000004.jpg")
    stock.catalog.writer.fetch("PRAGMA foreign_keys = ON")
    found = stock.reader.damage()
    assert [(row.table, row.missing_in) for row in found.dangling] == [("paths", "photos")]

    with stock.catalog.writing():
        assert stock.catalog.repair(found) == [b"/photos/000004.jpg"]
    assert stock.reader.damage().sentences == []


def test_a_path_outside_of_its_root_which_no_scan_would_come_to_is_dropped(
    stock: Stock, follower: IndexFollower
) -> None:
    with stock.catalog.writing():
        sql = "UPDATE paths SET folder = ? WHERE name = ?"
        stock.catalog.writer.write(sql, b"/qhotos", b"000004.jpg")
    found = stock.reader.damage()
    assert [(row.table, row.missing_in) for row in found.dangling] == [
        ("paths", "root of its folder")
    ]

    with stock.catalog.writing():
        assert stock.catalog.repair(found) == [b"/qhotos/000004.jpg"]
    assert stock.reader.damage().sentences == []


def test_wrong_counts_are_counted_anew(stock: Stock, follower: IndexFollower) -> None:
    with stock.catalog.writing():
        stock.catalog.writer.write("UPDATE photos SET live = 5 WHERE id = ?", stock.put_id(2))
        stock.catalog.writer.write("UPDATE tallies SET value = 77 WHERE what = 'paths'")
    found = stock.reader.damage()
    assert found.miscounted == (stock.put_id(2),)
    assert any("count of paths" in sentence for sentence in found.tallies)

    with stock.catalog.writing():
        stock.catalog.repair(found)
    assert stock.reader.damage().sentences == []


def test_a_check_that_is_stopped_ends_within_a_slice(stock: Stock) -> None:
    pace = Pace()
    pace.stop()
    with pytest.raises(CheckStoppedError):
        stock.reader.damage(pace)
    assert stock.reader.damage().sentences == []  # the connection is as good as before


def test_a_check_is_stopped_inside_of_a_long_statement(stock: Stock) -> None:
    pace = Pace()
    done: list[BaseException] = []

    def count_for_ever() -> None:
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
        with stock.reader.connections.lent() as connection:
            try:
                with pace.of_statements(connection):
                    pace.begin("counting")
                    connection.execute(endless).fetchall()
            except CheckStoppedError as error:
                done.append(error)

    thread = threading.Thread(target=count_for_ever)
    thread.start()
    pace.stop()
    thread.join(20)
    assert len(done) == 1


def test_the_progress_of_a_check_names_the_stage_and_never_more_than_all() -> None:
    pace = Pace()
    pace.begin("vectors", 10)
    pace.advance(4)
    assert (pace.progress().stage, pace.progress().done, pace.progress().total) == (
        "vectors",
        4,
        10,
    )
    pace.advance(40)
    assert pace.progress().done == 10


def test_an_index_of_sqlite_that_is_wrong_is_found_and_made_anew(stock: Stock) -> None:
    stock.fill(20)
    columns = "device, size_bytes, mtime_ns"
    spoil_an_index(stock.file, "paths_by_inode", f"CREATE INDEX paths_by_inode ON paths({columns})")
    found = stock.reader.damage()
    assert "missing from index paths_by_inode" in str(found.indexes)
    assert found.broken == ()

    with stock.catalog.writing():
        stock.catalog.repair(found)

    assert stock.reader.damage().sentences == []


def test_an_index_that_cannot_be_made_anew_is_left_to_the_next_start(stock: Stock) -> None:
    stock.fill(20)
    sql = "CREATE UNIQUE INDEX paths_by_inode ON paths(device)"  # the same for all
    spoil_an_index(stock.file, "paths_by_inode", sql)
    found = stock.reader.damage()

    with pytest.raises(CatalogCorruptError, match="sets it aside"), stock.catalog.writing():
        stock.catalog.repair(found)

    assert stock.file.with_name(stock.file.name + ".suspect").exists()
