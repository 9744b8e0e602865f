"""What never changes lies in a file: opened as it was written, searched as plain arithmetic is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.errors import SnapshotError
from clipd.photo import Ids
from clipd.store.index import VectorIndex
from clipd.store.index_base import Base
from clipd.store.index_delta import Codes
from tests.store.bases import built, opened
from tests.store.test_index import DIM, KINDS, NONE, plain_search, unit

NOTHING = np.empty((0, DIM), np.float32)
SHAPES: tuple[tuple[Codes, int, int], ...] = (("fp16", 0, 0), ("flat", 0, 0), ("fp16", 8, 2))


def test_a_base_holds_what_was_put_into_it_and_finds_it() -> None:
    ids, vectors = np.array([7, 3, 40, 12]), unit(4)

    for codes in KINDS:
        base = opened(built(codes, ids, vectors), DIM, codes)
        index = VectorIndex(DIM, codes, base)

        assert sorted(index.ids().tolist()) == [3, 7, 12, 40]
        assert [photo in index for photo in (3, 4, 40, 41, -1)] == [True, False, True, False, False]
        found, scores = index.search(vectors[2], 2)
        assert found[0] == 40
        assert scores[0] == pytest.approx(1, abs=1e-3)
        here, rows = index.vectors(np.array([12, 5, 7]))
        assert here.tolist() == [12, 7]
        assert np.allclose(rows, vectors[[3, 0]], atol=1e-3)


def test_what_went_or_changed_since_is_not_found_in_the_base() -> None:
    ids, vectors = np.arange(1, 101), unit(100)
    index = VectorIndex(DIM, "fp16", opened(built("fp16", ids, vectors), DIM, "fp16"))

    index.replace(np.array([5, 6]), np.array([7]), -vectors[6:7])
    index.replace(np.array([5]), NONE, NOTHING)

    assert len(index) == 98
    assert sorted(index.ids().tolist()) == [1, 2, 3, 4, *range(7, 101)]
    assert 5 not in index
    assert 7 in index
    found, _ = index.search(vectors[4], 100)
    assert sorted(found.tolist()) == sorted(index.ids().tolist())
    assert index.search(-vectors[6], 1)[0].tolist() == [7]
    assert index.search(vectors[6], 100)[0].tolist()[-1] == 7


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_base_with_changes_on_top_answers_as_plain_arithmetic_does(
    shape: tuple[Codes, int, int], data: st.DataObject
) -> None:
    codes, lists, nprobe = shape
    seed = data.draw(st.integers(0, 10_000))
    random = np.random.default_rng(seed)
    count = data.draw(st.integers(20, 400))
    ids = random.choice(np.arange(1, 3000), count, replace=False)
    # Many photos show the same: equal scores must not depend on where they lie.
    vectors = unit(count, seed)[random.integers(0, max(1, count // 3), count)]
    old = data.draw(st.integers(10, count))
    made = built(codes, ids[:old], vectors[:old], lists, nprobe)
    index = VectorIndex(DIM, codes, opened(made, DIM, codes))
    index.replace(NONE, ids[old:], vectors[old:])
    held = dict(zip(ids.tolist(), vectors, strict=True))
    for _ in range(data.draw(st.integers(0, 3))):
        gone = random.choice(ids, count // 8, replace=False)
        again = random.choice(ids, count // 8, replace=False)
        fresh = unit(len(again), data.draw(st.integers(0, 100)))
        index.replace(gone, again, fresh)
        held = {photo: row for photo, row in held.items() if photo not in gone}
        held |= dict(zip(again.tolist(), fresh, strict=True))

    here, kept = index.vectors(np.array(sorted(held)))
    assert here.tolist() == sorted(held) == sorted(index.ids().tolist())
    assert len(index) == len(held)
    assert np.allclose(kept, np.stack([held[photo] for photo in here.tolist()]), atol=2e-3)
    share = data.draw(st.sampled_from([0, 0.01, 0.2, 0.3, 0.9, 1]))
    within = np.union1d(here[random.random(len(here)) < share], random.integers(-5, 5000, 9))
    k = data.draw(st.sampled_from([1, 3, 20, 1000]))
    query = kept[0] if len(kept) and data.draw(st.booleans()) else unit(1, seed + 1)[0]

    found, scores = index.search(query, k, within)
    expected = plain_search(here, kept, query, k, set(within.tolist()))
    assert (found.tolist(), scores.tolist()) == (expected[0], pytest.approx(expected[1], abs=1e-6))
    if not lists:
        every, _ = index.search(query, k)
        assert every.tolist() == plain_search(here, kept, query, k, set(here.tolist()))[0]


@pytest.mark.parametrize("k", [1, 5, 30, 300, 1000])
def test_lists_give_as_many_as_are_asked_for_and_none_twice(k: int) -> None:
    ids, vectors = np.arange(1, 301), unit(300)
    base = opened(built("fp16", ids, vectors, lists=16, nprobe=1), DIM, "fp16")
    index = VectorIndex(DIM, "fp16", base)
    index.replace(np.arange(1, 200), NONE, NOTHING)

    found, scores = index.search(unit(1, seed=5), k)

    assert len(found) == len(set(found.tolist())) == min(k, 101)
    assert found.min() >= 200
    assert (np.diff(scores) <= 0).all()


def test_the_best_are_found_though_all_that_were_nearer_are_gone() -> None:
    query = unit(1, seed=3)[0]
    order = np.argsort(-(unit(1000) @ query))
    made = built("flat", np.arange(1, 1001), unit(1000)[order])
    index = VectorIndex(DIM, "flat", opened(made, DIM, "flat"))
    index.replace(np.arange(1, 201), NONE, NOTHING)

    assert index.search(query, 10)[0].tolist() == list(range(201, 211))


def written(tmp_path: Path, ids: Ids, count: int) -> tuple[Path, int]:
    file = tmp_path / "base"
    with file.open("wb") as stream:
        made = built("fp16", np.arange(count), unit(count))
        ids_at = type(made)(made.index, ids, 0).write(stream.write)
    return file, ids_at


@pytest.mark.parametrize("ids", [[5, 5, 6], [-3, 5, 6], [6, 5, 7], [1, 2]])
def test_ids_that_are_none_are_refused(tmp_path: Path, ids: list[int]) -> None:
    file, ids_at = written(tmp_path, np.array(ids, np.int64), 3)

    with pytest.raises(SnapshotError, match=r"not in order|not an index of"):
        Base.open(file, ids_at, DIM, "fp16")


def test_a_base_of_another_shape_or_cut_short_is_refused(tmp_path: Path) -> None:
    file, ids_at = written(tmp_path, np.arange(3, dtype=np.int64), 3)

    others: tuple[tuple[int, Codes, int], ...] = (
        (DIM + 1, "fp16", 0),
        (DIM, "flat", 0),
        (DIM, "fp16", 4),
    )
    for dim, codes, nprobe in others:
        with pytest.raises(SnapshotError, match="not an index of"):
            Base.open(file, ids_at, dim, codes, nprobe)
    os.truncate(file, 100)
    with pytest.raises((SnapshotError, ValueError)):
        Base.open(file, ids_at, DIM, "fp16")


def test_the_vectors_of_a_base_take_no_memory_of_ours(tmp_path: Path) -> None:
    count = 20_000
    rows = np.random.default_rng(0).normal(size=(count, 512)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    made = built("fp16", np.arange(count), rows)
    base = opened(made, 512, "fp16")
    del made
    before = anonymous_bytes()

    for row in rows[:20]:
        base.best(row.reshape(1, -1), 10, None, None)

    assert anonymous_bytes() - before < 4 << 20  # all vectors together are 20 MB


def anonymous_bytes() -> int:
    text = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * int(next(line for line in text.splitlines() if "Anonymous:" in line).split()[1])
