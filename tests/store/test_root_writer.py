"""What the roots that are no longer configured leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.store import root_writer
from clipd.store.rows import aside_folder
from tests.store.stock import ROOT, Stock

NOW = 50


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    with Stock(tmp_path) as stock:
        yield stock


def root_of(stock: Stock, path: bytes) -> int:
    row = stock.catalog.path(path)
    assert row is not None
    return row.root


def test_no_step_of_a_retirement_changes_more_than_a_slice(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_writer, "_SLICE", 3)
    stock.fill(8)

    steps = stock.catalog.retire_roots([], NOW)

    left = [8]
    for gone in steps:
        left.append(stock.reader.root_counts()[stock.root])
        assert left[-2] - left[-1] == gone <= 3
    assert left[-1] == 0
    assert stock.reader.damage().sentences == []


def test_a_retirement_that_was_cut_short_is_finished_by_the_next(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_writer, "_SLICE", 3)
    stock.fill(8)
    assert next(stock.catalog.retire_roots([], NOW)) == 3

    assert sum(stock.catalog.retire_roots([], NOW)) == 5
    assert list(stock.catalog.retire_roots([], NOW)) == []


def test_a_root_that_is_configured_again_in_the_middle_keeps_what_is_left(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root_writer, "_SLICE", 3)
    stock.fill(8)
    next(stock.catalog.retire_roots([], NOW))
    with stock.catalog.writing():
        assert stock.catalog.root(ROOT) == stock.root

    assert list(stock.catalog.retire_roots([stock.root], NOW)) == []
    assert stock.reader.root_counts() == {stock.root: 5}


@pytest.mark.parametrize("kept", [b"/", b"/photos/a", b"/photos/a/b"])
def test_what_lies_in_a_root_that_is_kept_stays_and_belongs_to_it(
    stock: Stock, kept: bytes
) -> None:
    inside, failed = b"/photos/a/b/1.jpg", b"/photos/a/b/x.txt"
    with stock.catalog.writing():
        stock.put(inside, 1)
        stock.put(b"/photos/ab/2.jpg", 2)
        stock.catalog.put_failure(stock.root, failed, None, "skipped", "no picture", 5)
        root = stock.catalog.root(kept)

    gone = sum(stock.catalog.retire_roots([root], NOW))

    assert gone == (0 if kept == b"/" else 1)
    assert root_of(stock, inside) == root
    failure = stock.catalog.failure(failed)
    assert failure is not None
    assert failure.root == root
    assert stock.reader.root_counts()[root] == 2 - gone
    assert stock.reader.damage().sentences == []


def test_the_paths_of_a_volume_that_is_set_aside_are_retired_too(stock: Stock) -> None:
    with stock.catalog.writing():
        stock.put(aside_folder(1, b"/photos/card") + b"/1.jpg", 1)

    assert sum(stock.catalog.retire_roots([], NOW)) == 1
    assert stock.reader.root_counts()[stock.root] == 0
