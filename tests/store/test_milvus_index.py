from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

from clipd.photo import Ids
from clipd.store.follow import IndexFollower
from clipd.store.milvus_follow import MilvusFollower
from tests.store.stock import Stock, a_vector

PHOTOS = 3000


@pytest.fixture(scope="module")
def many() -> Iterator[Stock]:
    with tempfile.TemporaryDirectory() as folder, Stock(Path(folder)) as stock:
        stock.fill(PHOTOS)
        yield stock


@pytest.fixture(scope="module")
def filled(many: Stock, milvus: str) -> MilvusFollower:
    follower = many.milvus(milvus)
    follower.start()
    return follower


@pytest.fixture(scope="module")
def local(many: Stock) -> IndexFollower:
    follower = many.follower()
    follower.start()
    return follower


Found: TypeAlias = tuple[Ids, NDArray[np.float32]]


def same(one: Found, other: Found) -> bool:
    return bool(np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1]))


def test_it_finds_what_the_local_index_finds(filled: MilvusFollower, local: IndexFollower) -> None:
    for seed in range(20):
        query = a_vector(10**6 + seed)
        for k in (1, 10, 100):
            assert same(filled.index.search(query, k), local.index.search(query, k))


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("few", [20_000, 5], ids=["multiplied", "searched for"])
def test_a_filter_lets_no_photo_be_missed(
    filled: MilvusFollower,
    local: IndexFollower,
    monkeypatch: pytest.MonkeyPatch,
    share: float,
    few: int,
) -> None:
    monkeypatch.setattr("clipd.store.milvus_index._FEW", few)
    chance = np.random.default_rng(1)
    every = np.sort(local.index.ids())
    for seed in range(5):
        within = np.sort(chance.choice(every, int(share * PHOTOS), replace=False))
        query = a_vector(10**6 + seed)
        assert same(filled.index.search(query, 10, within), local.index.search(query, 10, within))


def test_a_photo_that_has_gone_is_no_hit_though_milvus_holds_it(stock: Stock, milvus: str) -> None:
    stock.fill(10)
    filled = stock.milvus(milvus)
    filled.start()
    gone = stock.put_id(7)
    assert filled.index.search(a_vector(7), 1)[0].tolist() == [gone]
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000007.jpg", 50)

    assert gone not in filled.index.search(a_vector(7), 10)[0]
    assert gone in filled.index.ids()
    assert gone not in filled.index


def test_it_gives_as_many_as_milvus_does_and_no_error_for_more(filled: MilvusFollower) -> None:
    ids, scores = filled.index.search(a_vector(1), 10**6)
    assert len(set(ids.tolist())) == len(ids) == PHOTOS
    assert (np.diff(scores) <= 0).all()
    assert len(filled.index.search(a_vector(1), 0)[0]) == 0


def test_vectors_come_in_the_order_that_they_are_asked_for(
    many: Stock, filled: MilvusFollower
) -> None:
    asked = np.array([9, 10**9, 3, 7])
    ids, vectors = filled.index.vectors(asked)
    assert ids.tolist() == [9, 3, 7]
    for photo, vector in zip(ids.tolist(), vectors, strict=True):
        kept = many.reader.vectors.of_photo(many.model, photo)
        assert kept is not None
        assert np.array_equal(kept, vector)


def test_all_ids_are_told_though_there_are_more_than_milvus_gives_at_once(
    filled: MilvusFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.store.milvus_collection.MOST", 700)
    monkeypatch.setattr("clipd.store.milvus_index.MOST", 700)
    assert filled.index.ids().tolist() == list(range(1, PHOTOS + 1))
    assert filled.differences() == ([], [])


def test_what_is_not_finite_is_not_written(filled: MilvusFollower) -> None:
    bad = np.full((1, filled.index.dim), np.nan, np.float32)
    with pytest.raises(ValueError, match="finite"):
        filled.index.replace(np.empty(0, np.int64), np.array([5]), bad)
