"""A base is built of what the catalog holds, all or in lists that find nearly all of the best."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clipd.config.options import IndexConfig
from clipd.store.index_base import Base
from clipd.store.index_builder import Before, build, fewest_lists, has_lists, lists_for
from tests.store.stock import DIM, Stock, a_vector


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Three thousand photos, some without a vector or gone."""
    with Stock(tmp_path_factory.mktemp("stock")) as stock:
        stock.fill(3000)
        with stock.catalog.writing():
            stock.catalog.forget_path(b"/photos/000007.jpg", 50)
            stock.put(b"/photos/without.jpg", 9999, vector=False)
        stock.reader.journal.span()  # opens the catalog, once for all
        yield stock


@pytest.mark.parametrize("kind", ["auto", "fp16", "flat"])
def test_an_exact_base_holds_every_vector_by_ascending_id(stock: Stock, kind: str) -> None:
    made = build(stock.reader, stock.model, DIM, IndexConfig(kind=kind))  # type: ignore[arg-type]

    assert len(made.ids) == made.index.ntotal == 2999
    assert (np.diff(made.ids) > 0).all()
    assert (made.nprobe, made.recall) == (0, 1.0)
    assert made.generation == stock.reader.journal.span()[1]
    assert stock.put_id(7) not in made.ids.tolist()
    place = int(np.searchsorted(made.ids, stock.put_id(1234)))
    assert np.allclose(made.index.reconstruct(place), a_vector(1234), atol=1e-3)


def test_lists_find_nearly_all_of_the_best_and_the_figure_is_measured(stock: Stock) -> None:
    made = build(stock.reader, stock.model, DIM, IndexConfig(kind="ivf"))

    assert made.index.nlist == lists_for(2999) == 64
    assert 0 < made.nprobe < 64
    assert 0.98 <= made.recall <= 1
    fixed = build(stock.reader, stock.model, DIM, IndexConfig(kind="ivf", nprobe=2))
    assert fixed.nprobe == 2
    assert fixed.recall < made.recall


@given(st.integers(1, 20_000), st.data())
def test_as_many_lists_are_read_as_it_takes_and_hardly_more(
    lists: int, data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, lists))
    asked: list[int] = []

    def recall_with(nprobe: int) -> float:
        asked.append(nprobe)
        return 0.99 if nprobe >= needed else 0.9

    nprobe, recall = fewest_lists(recall_with, lists)

    assert needed <= nprobe <= max(needed + 1, 1.06 * needed)
    assert recall == 0.99
    assert max(asked) <= min(lists, max(8, 1.4 * needed + 1))
    assert len(asked) < 40


def test_recall_is_that_of_the_texts_that_were_asked_for(stock: Stock) -> None:
    before = build(stock.reader, stock.model, DIM, IndexConfig(kind="ivf", nprobe=4))
    for seed in range(40):  # all of them far from every photo, where lists are of little help
        with stock.catalog.writing():
            away = -np.stack([a_vector(n) for n in range(40)]).mean(axis=0) + 0.1 * a_vector(seed)
            text = (away / np.linalg.norm(away)).astype(np.float32)
            stock.catalog.put_text_vector(stock.model, f"text {seed}", text, 50)

    after = build(stock.reader, stock.model, DIM, IndexConfig(kind="ivf", nprobe=4))

    assert after.recall != before.recall


def test_the_next_base_takes_over_the_lists_until_the_library_has_doubled(tmp_path: Path) -> None:
    config = IndexConfig(kind="ivf")
    with Stock(tmp_path) as stock:
        stock.fill(2500)
        follower = stock.follower("ivf")
        follower.start()
        follower.save()
        before = follower.index.base
        assert before is not None
        with stock.catalog.writing():
            stock.catalog.put_vector(stock.model, stock.put_id(5), -a_vector(5))
            stock.catalog.forget_path(b"/photos/000006.jpg", 50)
            stock.put(b"/photos/new.jpg", 7000)

        made = build(
            *(stock.reader, stock.model, DIM, config),
            Before(before, follower.applied, taught_on=2500),
        )

        assert (centres(made.index) == centres_of(before)).all()
        assert made.ids.tolist() == sorted(
            stock.put_id(n) for n in [*range(6), *range(7, 2500), 7000]
        )
        for content, vector in ((5, -a_vector(5)), (7000, a_vector(7000)), (8, a_vector(8))):
            row = vector.reshape(1, -1)
            place = int(np.searchsorted(made.ids, stock.put_id(content)))
            (nearest,) = made.index.quantizer.search(row, 1)[1][0]
            listed = int(list_of(made.index, place))
            assert listed == nearest, content
            assert np.allclose(made.index.reconstruct(place), vector, atol=1e-3)
        grown = build(
            *(stock.reader, stock.model, DIM, config),
            Before(before, follower.applied, taught_on=1250),
        )
        assert (centres(grown.index) != centres_of(before)).any()
        assert (made.taught_on, grown.taught_on) == (2500, 2500)


def centres(index: Any) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = index.quantizer.reconstruct_n(0, index.nlist)
    return rows


def centres_of(base: Base) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = base.coarse.reconstruct_n(0, base.lists)
    return rows


def list_of(index: Any, place: int) -> int:
    return int(index.direct_map.get(place)) >> 32


@pytest.mark.parametrize(
    ("config", "photos", "wanted"),
    [
        (IndexConfig(), 500_000, False),
        (IndexConfig(), 500_001, True),
        (IndexConfig(exact_up_to=10), 11, True),
        (IndexConfig(kind="fp16"), 10**7, False),
        (IndexConfig(kind="flat"), 10**7, False),
        (IndexConfig(kind="ivf"), 1999, False),
        (IndexConfig(kind="ivf"), 2000, True),
    ],
)
def test_lists_come_where_they_are_wanted(config: IndexConfig, photos: int, wanted: bool) -> None:
    assert has_lists(config, photos) is wanted


@pytest.mark.parametrize(
    ("photos", "lists"), [(1, 4), (10_000, 128), (100_000, 1024), (1_000_000, 4096)]
)
def test_there_are_about_four_times_as_many_lists_as_the_root_of_the_photos(
    photos: int, lists: int
) -> None:
    assert lists_for(photos) == lists


def test_a_base_of_an_empty_library_is_empty(tmp_path: Path) -> None:
    with Stock(tmp_path) as empty:
        made = build(empty.reader, empty.model, DIM, IndexConfig())

    assert (made.index.ntotal, made.ids.tolist()) == (0, [])
