"""Duplicates of a whole library, held against every pair compared by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.photo import Vectors
from clipd.search.duplicates import Duplicates, SameGroup
from clipd.search.grouping import LOOK_COSINE
from clipd.store.index import VectorIndex
from clipd.store.selection import PhotoSelection
from tests.store.stock import Stock, a_hash, a_print

DIM = 96


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    with Stock(tmp_path) as stock:
        yield stock


def duplicates(stock: Stock, rows: Vectors, names: list[str], taken: list[str]) -> Duplicates:
    """Make photos 1, 2, ... of these vectors, the later the larger."""
    with stock.catalog.writing():
        for number, (name, moment) in enumerate(zip(names, taken, strict=True), 1):
            photo = stock.catalog.add_photo(a_hash(number), number, 1, "JPEG", moment, 1)
            path = b"/photos/" + os.fsencode(name)
            stock.catalog.put_path(stock.root, path, a_print(number), photo)
    index = VectorIndex(rows.shape[1], "flat")
    index.replace(np.empty(0, np.int64), np.arange(1, len(rows) + 1), rows)
    return Duplicates(index, PhotoSelection(stock.reader.connections))


def clustered(count: int, spread: float, seed: int) -> Vectors:
    """Return unit vectors around a few centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(1, count // 5), DIM))
    rows = centres[random.integers(0, len(centres), count)]
    rows = rows + random.normal(size=rows.shape) * spread
    unit: Vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


@given(
    count=st.integers(1, 700),
    spread=st.sampled_from([0.0, 0.05, 0.12, 0.2]),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_what_looks_the_same_is_what_every_pair_compared_says(
    tmp_path_factory: pytest.TempPathFactory, count: int, spread: float, seed: int
) -> None:
    rows = clustered(count, spread, seed)
    with Stock(tmp_path_factory.mktemp("stock")) as stock:
        names = [f"{number * 7}.jpg" for number in range(count)]
        found = duplicates(stock, rows, names, [""] * count).find("look")

    products = rows @ rows.T
    free = set(range(count))
    expected = []
    for leader in reversed(range(count)):  # the largest takes first
        if leader in free:
            alike = [
                each for each in free if each < leader and products[leader, each] >= LOOK_COSINE
            ]
            free -= {leader, *alike}
            if alike:
                expected.append((leader + 1, {leader + 1, *(each + 1 for each in alike)}))
    assert sorted((group.best, set(group.photos)) for group in found) == sorted(expected)
    assert [len(group.photos) for group in found] == sorted(
        (len(group.photos) for group in found), reverse=True
    )


def test_bursts_are_photos_of_one_moment_that_look_alike(stock: Stock) -> None:
    one, other = clustered(2, 1.0, 5)
    rows = np.stack([one, one, one, one, other, one, one])
    names = ["a.jpg", "b.jpg", "IMG_9.jpg", "IMG_10.jpg", "IMG_11.jpg", "z.jpg", "y.jpg"]
    moment = "2019-07-12T14:00:0"
    taken = [f"{moment}1", f"{moment}9", "", "", "", "", f"{moment}5"]
    found = duplicates(stock, rows, names, taken).find("burst")
    assert found == [SameGroup((1, 2, 7), 7), SameGroup((3, 4), 4)]


def test_copies_are_photos_at_several_paths(stock: Stock) -> None:
    finder = duplicates(stock, clustered(3, 0.0, 1), ["a", "b", "c"], [""] * 3)
    with stock.catalog.writing():
        stock.catalog.put_path(stock.root, b"/photos/copy of b", a_print(9), 2)
    assert finder.find("copy") == [SameGroup((2,), 2)]


def test_an_empty_library_has_none(stock: Stock) -> None:
    finder = duplicates(stock, clustered(3, 0.0, 1)[:0], [], [])
    assert [finder.find(sameness) for sameness in ("copy", "burst", "look")] == [[], [], []]
