from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.photo import Ids, Vectors
from clipd.store.index import VectorIndex
from clipd.store.index_delta import Codes

DIM = 32
NONE = np.empty(0, np.int64)
KINDS: tuple[Codes, ...] = ("fp16", "flat")


def unit(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    unit_rows: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit_rows


def filled(kind: Codes, count: int) -> tuple[VectorIndex, Ids, Vectors]:
    ids, vectors = np.arange(1, count + 1), unit(count)
    index = VectorIndex(DIM, kind)
    index.replace(NONE, ids, vectors)
    return index, ids, vectors


@pytest.mark.parametrize("kind", KINDS)
def test_search_finds_the_best_first_as_plain_arithmetic_does(kind: Codes) -> None:
    index, ids, vectors = filled(kind, 500)
    query = unit(1, seed=9)

    found, scores = index.search(query, 10)

    products = vectors @ query[0]
    best = np.argsort(-products)[:10]
    assert found.tolist() == ids[best].tolist()
    assert np.allclose(scores, products[best], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_finds_nothing(kind: Codes) -> None:
    found, scores = VectorIndex(DIM, kind).search(unit(1)[0], 10)

    assert (found.tolist(), scores.tolist()) == ([], [])


@pytest.mark.parametrize("k", [-1, 0, 2, 3, 4, 1000])
def test_there_are_never_more_hits_than_photos_nor_an_id_below_one(k: int) -> None:
    index, _, _ = filled("fp16", 3)

    found, scores = index.search(unit(1), k)

    assert len(found) == len(scores) == max(0, min(k, 3))
    assert (found > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_put_again_is_there_once_with_its_new_vector(kind: Codes) -> None:
    index, _, _ = filled(kind, 50)
    fresh = unit(1, seed=7)

    for _ in range(2):
        index.replace(NONE, np.array([20]), fresh)

    assert len(index) == 50
    assert sorted(index.ids()) == list(range(1, 51))
    found, scores = index.search(fresh, 50)
    assert found[0] == 20
    assert scores[0] == pytest.approx(1, abs=1e-3)
    assert len(set(found.tolist())) == 50


def test_dropped_ids_are_gone_and_unknown_ones_are_passed_over() -> None:
    index, _, _ = filled("fp16", 50)

    index.replace(np.array([3, 3, 4, 60, 10**6, -1]), np.array([4, 70]), unit(2, seed=3))

    assert sorted(index.ids()) == [1, 2, *range(4, 51), 70]
    assert [photo in index for photo in (3, 4, 60, 70, -1, 10**9)] == [
        False,
        True,
        False,
        True,
        False,
        False,
    ]


def test_ids_twice_in_one_call_and_vectors_not_finite_are_bugs() -> None:
    index = VectorIndex(DIM, "fp16")
    with pytest.raises(ValueError, match="distinct"):
        index.replace(NONE, np.array([1, 1]), unit(2))
    with pytest.raises(ValueError, match="finite"):
        index.replace(NONE, np.array([1]), np.full((1, DIM), np.nan, np.float32))

    assert len(index) == 0


def test_threads_search_while_another_changes_the_index() -> None:
    index, ids, vectors = filled("fp16", 2000)
    problems: list[str] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            found, _ = index.search(vectors[7], 20)
            if found[0] != 8 or len(set(found.tolist())) != 20:
                problems.append(f"found {found}")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(100):
        some = ids[step * 10 + 10 : step * 10 + 20]
        index.replace(some, NONE, np.empty((0, DIM), np.float32))
        index.replace(NONE, some, vectors[some - 1])
    done.set()
    for thread in threads:
        thread.join()

    assert problems == []
    assert sorted(index.ids()) == ids.tolist()


def plain_search(
    ids: Ids, kept: Vectors, query: Vectors, k: int, within: set[int]
) -> tuple[list[int], list[float]]:
    """Search as one would by hand: all products, equal ones in the order of their ids."""
    products = (kept.astype(np.float64) @ query.astype(np.float64)).round(6).clip(-1, 1)
    rows = sorted(
        (-score, photo)
        for photo, score in zip(ids.tolist(), products.tolist(), strict=True)
        if photo in within
    )
    return [photo for _, photo in rows[:k]], [-score for score, _ in rows[:k]]


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_search_among_some_is_plain_arithmetic_among_them_whatever_their_share(
    kind: Codes, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 10_000))
    random = np.random.default_rng(seed)
    count = data.draw(st.integers(1, 400))
    index = VectorIndex(DIM, kind)
    ids = random.choice(np.arange(1, 3000), count, replace=False)
    # Many photos show the same: equal scores must not depend on the way either.
    vectors = unit(count, seed)[random.integers(0, max(1, count // 3), count)]
    index.replace(NONE, ids, vectors)
    gone = ids[: data.draw(st.integers(0, count // 2))]
    index.replace(gone, NONE, np.empty((0, DIM), np.float32))
    here, kept = index.vectors(np.sort(np.setdiff1d(ids, gone)))

    share = data.draw(st.sampled_from([0, 0.01, 0.05, 0.2, 0.26, 0.3, 0.5, 0.9, 1]))
    within = np.union1d(here[random.random(len(here)) < share], random.integers(-5, 5000, 9))
    k = data.draw(st.sampled_from([1, 3, 20, 1000]))
    query = kept[0] if len(kept) and data.draw(st.booleans()) else unit(1, seed + 1)[0]

    found, scores = index.search(query, k, within)
    expected = plain_search(here, kept, query, k, set(within.tolist()))
    assert (found.tolist(), scores.tolist()) == (expected[0], pytest.approx(expected[1], abs=1e-6))

    every, _ = index.search(query, k)
    assert every.tolist() == plain_search(here, kept, query, k, set(here.tolist()))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_those_wanted_are_found_though_all_others_are_nearer(kind: Codes) -> None:
    query = unit(1, seed=3)[0]
    order = np.argsort(-(unit(1000) @ query))
    index = VectorIndex(DIM, kind)
    index.replace(NONE, np.arange(1, 1001), unit(1000)[order])

    found, _ = index.search(query, 10, np.arange(501, 1001))

    assert found.tolist() == list(range(501, 511))
