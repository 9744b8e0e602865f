"""Whether catalog and index agree, and mending them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipd.store.follow import IndexFollower
from clipd.store.verify import Verdict, verify
from tests.store.stock import DIM, Stock, a_vector


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


def _verdict(stock: Stock, follower: IndexFollower, repair: bool = False) -> Verdict:
    return verify(stock.catalog, stock.reader, follower, repair=repair)


def test_what_agrees_is_said_to_agree(stock: Stock, follower: IndexFollower) -> None:
    assert _verdict(stock, follower) == Verdict(True, ())


def test_a_photo_that_the_index_lacks_is_found_and_put_back(
    stock: Stock, follower: IndexFollower
) -> None:
    lost = np.array([stock.put_id(3)], np.int64)
    follower.index.replace(lost, np.empty(0, np.int64), np.empty((0, DIM), np.float32))
    assert "lacks 1 photos" in _verdict(stock, follower).problems[0]

    assert _verdict(stock, follower, repair=True).ok
    assert stock.put_id(3) in follower.index


def test_a_photo_that_the_index_should_not_hold_is_found_and_taken_out(
    stock: Stock, follower: IndexFollower
) -> None:
    follower.index.replace(
        np.empty(0, np.int64), np.array([999], np.int64), a_vector(1)[np.newaxis]
    )
    assert "holds 1 photos" in _verdict(stock, follower).problems[0]
    assert _verdict(stock, follower, repair=True).ok
    assert 999 not in follower.index


def test_a_damaged_vector_is_dropped_and_its_photo_waits_for_another(
    stock: Stock, follower: IndexFollower
) -> None:
    with stock.catalog.writing():
        stock.catalog._write(
            "UPDATE vectors SET vector = zeroblob(2) WHERE photo_id = ?", stock.put_id(5)
        )
    assert "unusable vectors" in " ".join(_verdict(stock, follower).problems)
    assert _verdict(stock, follower, repair=True).ok
    assert stock.catalog.count_without_vector(stock.model) == 1
