"""Roots that are no longer configured, retired beside everything else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.ingest.retirement import Retirement
from clipd.store import root_writer
from tests.store.stock import Stock


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    monkeypatch.setattr(root_writer, "_SLICE", 3)
    with Stock(tmp_path) as stock:
        stock.fill(8)
        yield stock


def live(stock: Stock) -> int:
    return stock.reader.root_counts()[stock.root]


def test_a_turn_retires_no_more_than_a_slice(stock: Stock) -> None:
    retirement = Retirement(stock.catalog, [])

    left = []
    while retirement.is_due:
        retirement.go_on()
        left.append(live(stock))

    assert left == [5, 2, 0, 0]


def test_a_start_retires_as_much_as_it_has_time_for(stock: Stock) -> None:
    retirement = Retirement(stock.catalog, [])

    retirement.go_on(within_seconds=60)

    assert live(stock) == 0
    assert not retirement.is_due


def test_a_root_that_is_configured_is_left_alone(stock: Stock) -> None:
    retirement = Retirement(stock.catalog, [stock.root])

    retirement.go_on(within_seconds=60)

    assert live(stock) == 8
    assert not retirement.is_due


def test_a_disk_that_takes_no_writes_is_tried_again_after_a_while(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = stock.catalog.writer.connection
    retirement = Retirement(stock.catalog, [])
    retirement.go_on()
    connection.execute("PRAGMA query_only = 1").fetchone()

    retirement.go_on(within_seconds=60)

    assert not retirement.is_due
    assert live(stock) == 5
    connection.execute("PRAGMA query_only = 0").fetchone()
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 60)
    retirement.go_on(within_seconds=60)
    assert live(stock) == 0
