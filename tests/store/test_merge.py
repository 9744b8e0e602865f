"""A child builds a new base while photos come and go; a kill at any moment loses nothing."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clipd.errors import StoreUnavailableError
from clipd.store.follow import IndexFollower
from tests import processes
from tests.store.stock import Stock

pytestmark = pytest.mark.slow


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    with Stock(tmp_path) as stock:
        yield stock


def merged(follower: IndexFollower) -> int:
    deadline = time.monotonic() + 60
    while (covered := follower.poll_merge()) is None:
        assert time.monotonic() < deadline, "no base was built"
        time.sleep(0.01)
    return covered


def started_worker() -> int:
    deadline = time.monotonic() + 20
    while (pid := worker()) is None:  # it is still being started
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return pid


def worker() -> int | None:
    """Return the child that builds a base; one that is done already has no command any more."""
    found = processes.children(os.getpid())
    return next((one.pid for one in found if one.is_zombie or "merge_worker" in one.command), None)


@pytest.mark.parametrize("kind", ["auto", "ivf", "flat"])
def test_what_comes_and_goes_while_a_base_is_built_is_in_the_index(stock: Stock, kind: str) -> None:
    stock.fill(2500)
    follower = stock.follower(kind)  # type: ignore[arg-type]
    follower.start()
    follower.begin_merge()
    with stock.catalog.writing():
        for number in range(100):
            stock.catalog.forget_path(b"/photos/%06d.jpg" % number, 50)
            stock.put(b"/photos/new-%d.jpg" % number, 5000 + number)
    follower.catch_up()

    covered = merged(follower)

    assert 0 < covered <= stock.reader.journal.span()[1]
    assert follower.differences() == ([], [])
    base = follower.index.base
    assert base is not None
    assert len(base) in (2400, 2500, 2600)
    state = follower.state()
    assert (state.kind, state.photos) == ("fp16" if kind == "auto" else kind, 2500)
    assert (state.lists > 0) == (kind == "ivf")
    assert not state.is_merging
    assert not follower.is_stale()
    with stock.catalog.writing():
        stock.catalog.trim_journal(covered)
    again = stock.follower(kind)  # type: ignore[arg-type]
    assert "after the snapshot" in again.start()
    assert again.differences() == ([], [])


def test_one_base_is_built_at_a_time(stock: Stock) -> None:
    stock.fill(50)
    follower = stock.follower()
    follower.start()
    follower.begin_merge()
    first = started_worker()
    follower.begin_merge()

    assert worker() == first
    assert follower.state().is_merging
    merged(follower)
    assert worker() is None


def test_a_child_that_is_killed_leaves_what_was_there_and_the_next_one_is_asked(
    stock: Stock,
) -> None:
    stock.fill(3000)
    follower = stock.follower("ivf")
    follower.start()
    follower.save()
    before = follower.index.base
    with stock.catalog.writing():
        stock.put(b"/photos/new.jpg", 9000)
    follower.catch_up()
    dice = random.Random(5)
    for _ in range(6):
        follower.begin_merge()
        pid = started_worker()
        time.sleep(dice.random())
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        with suppress(StoreUnavailableError):  # unless it was done before
            while follower.poll_merge() is None and follower.state().is_merging:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert follower.differences() == ([], [])

    assert follower.index.base is not None
    assert before is not None
    follower.begin_merge()
    merged(follower)
    assert len(follower.index.base) == 3001
    assert follower.differences() == ([], [])


def test_a_full_disk_is_said_and_searches_go_on(stock: Stock, small_disk: Path) -> None:
    stock.fill(3000)
    follower = IndexFollower(
        stock.reader, stock.model, stock.spec, stock.config("auto"), small_disk / "index"
    )
    follower.start()
    (small_disk / "ballast").write_bytes(bytes(2_060_000))
    follower.begin_merge()

    with pytest.raises(StoreUnavailableError, match="No space left"):
        merged(follower)

    assert len(follower.index) == 3000
    assert follower.differences() == ([], [])
    assert not follower.state().is_merging
    follower.close()


def test_a_stop_ends_the_child(stock: Stock) -> None:
    stock.fill(3000)
    follower = stock.follower("ivf")
    follower.start()
    follower.begin_merge()
    started_worker()

    follower.stop_merging()

    assert worker() is None
    assert len(follower.index) == 3000


def test_another_kind_in_the_configuration_is_a_reason_for_a_new_base(stock: Stock) -> None:
    stock.fill(2300)
    exact = stock.follower()
    exact.start()
    exact.save()
    assert not exact.is_stale()

    lists = stock.follower("ivf")
    lists.start()
    assert lists.state().kind == "fp16"
    assert lists.is_stale()
    lists.begin_merge()
    merged(lists)
    assert lists.state().kind == "ivf"
    assert not lists.is_stale()
    back = stock.follower("fp16")
    back.start()
    assert back.is_stale()


def test_a_library_at_the_border_between_two_kinds_is_not_built_again_and_again(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.store.index_builder._FEWEST", 100)
    stock.fill(101)
    follower = stock.follower("ivf")
    follower.start()
    follower.save()
    assert follower.state().kind == "ivf"
    with stock.catalog.writing():
        for number in range(5):
            stock.catalog.forget_path(b"/photos/%06d.jpg" % number, 50)
    follower.catch_up()
    assert not follower.is_stale()

    with stock.catalog.writing():
        for number in range(5, 20):
            stock.catalog.forget_path(b"/photos/%06d.jpg" % number, 50)
    follower.catch_up()
    assert follower.is_stale()
