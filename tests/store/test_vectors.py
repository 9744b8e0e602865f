"""Damaged vectors never come into the index, and are made anew."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence

import numpy as np
import pytest

from clipd.config.options import IndexConfig
from clipd.errors import EncodeError
from clipd.store.follow import IndexFollower
from clipd.store.vectors import pack
from tests.store.stock import Stock, a_vector


def set_blob(stock: Stock, photo: int, blob: bytes) -> None:
    """Change a vector in the file behind clipd's back, as a dying disk does."""
    sql = "UPDATE vectors SET vector = ? WHERE photo_id = ?"
    with contextlib.closing(sqlite3.connect(stock.file)) as connection, connection:
        connection.execute("DROP TRIGGER vector_changed")
        connection.execute(sql, (blob, photo))


def flipped(photo: int, byte: int, bit: int) -> bytes:
    blob = bytearray(pack(a_vector(photo - 1)))  # `fill` numbers contents from 0, ids from 1
    blob[byte] ^= 1 << bit
    return bytes(blob)


TOP_OF_THE_EXPONENT = flipped(2, byte=1, bit=6)
LOWEST_OF_THE_FRACTION = flipped(2, byte=0, bit=0)
DAMAGE = {
    "the top bit of an exponent": TOP_OF_THE_EXPONENT,
    "the lowest bit of all": LOWEST_OF_THE_FRACTION,
    "too short": b"short",
    "not a number": b"\x00\x7e" * 16,
    "nothing": bytes(32),
}


def following(stock: Stock) -> IndexFollower:
    """Return a follower that has damaged vectors dropped, as the daemon's has."""

    def drop(photos: Sequence[int]) -> None:
        with stock.catalog.writing():
            stock.catalog.drop_vectors(stock.model, photos)

    spec, folder = stock.spec, stock.folder / "index"
    return IndexFollower(stock.reader, stock.model, spec, IndexConfig(), folder, drop=drop)


@pytest.mark.parametrize("blob", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_vector_is_named_dropped_and_made_anew(stock: Stock, blob: bytes) -> None:
    stock.fill(3)
    set_blob(stock, 2, blob)
    assert stock.reader.damage().sentences == ["unusable vectors of photos 2"]
    assert stock.reader.vectors.of_photo(stock.model, 2) is None

    follower = following(stock)
    follower.start()

    assert sorted(follower.index.ids()) == [1, 3]
    assert "vectors of 1 photos (ids 2) were damaged" in follower.trouble()
    assert [photo for photo, _ in stock.catalog.photos_without_vector(stock.model, 0, 9)] == [2]
    assert stock.reader.damage().sentences == []
    with stock.catalog.writing():
        stock.catalog.put_vector(stock.model, 2, a_vector(1))
    follower.catch_up()
    assert follower.trouble() == ""
    assert sorted(follower.index.ids()) == [1, 2, 3]
    assert follower.differences() == ([], [])


def test_a_vector_that_is_damaged_while_the_index_follows_stays_out(stock: Stock) -> None:
    stock.fill(2)
    follower = following(stock)
    follower.start()
    new = stock.fill(3)[-1]
    set_blob(stock, new, TOP_OF_THE_EXPONENT)

    follower.catch_up()
    follower.catch_up()

    assert sorted(follower.index.ids()) == [1, 2]
    assert f"ids {new}" in follower.trouble()
    assert follower.differences() == ([], [])


def test_a_photo_that_goes_away_is_not_waited_for(stock: Stock) -> None:
    stock.fill(2)
    set_blob(stock, 2, b"short")
    follower = following(stock)
    follower.start()
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000001.jpg", 50)

    assert follower.trouble() == ""


def test_repair_drops_what_is_damaged(stock: Stock) -> None:
    stock.fill(3)
    set_blob(stock, 2, LOWEST_OF_THE_FRACTION)
    with stock.catalog.writing():
        stock.catalog.repair(stock.reader.damage())

    assert stock.reader.damage().sentences == []
    assert stock.reader.counts(stock.model).without_vector == 1


@pytest.mark.parametrize("length", [0.5, 1.05, 17.0])
def test_a_vector_that_is_not_of_length_1_is_refused(stock: Stock, length: float) -> None:
    stock.fill(1)
    with pytest.raises(EncodeError, match="length is not 1"), stock.catalog.writing():
        stock.catalog.put_vector(stock.model, 1, a_vector(0) * np.float32(length))
