from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from clipd.errors import IndexAwayError
from clipd.store.milvus_collection import Bookmark, MilvusCollection
from clipd.store.milvus_follow import MilvusFollower
from clipd.store.milvus_link import MilvusLink
from tests.milvus_server import Relay
from tests.store.stock import Stock, a_model, a_vector


@pytest.fixture
def relay(milvus: str, tmp_path: Path) -> Iterator[Relay]:
    """A way to the engine that a test may cut."""
    made = Relay(tmp_path / "relay.sock", milvus.removeprefix("unix:"))
    yield made
    made.close()


def uri_of(relay: Relay) -> str:
    return f"unix:{relay.file}"


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def agrees(follower: MilvusFollower) -> bool:
    follower.catch_up()
    try:
        return follower.differences() == ([], [])
    except IndexAwayError:
        return False


def test_while_it_is_away_the_catalog_goes_on_and_it_catches_up_by_itself(
    stock: Stock, relay: Relay
) -> None:
    stock.fill(20)
    follower = stock.milvus(uri_of(relay))
    follower.start()
    assert follower.trouble() == ""
    relay.close()

    began = time.monotonic()
    with pytest.raises(IndexAwayError, match=r"does not answer; is it running\?"):
        follower.index.search(a_vector(1), 5)
    assert time.monotonic() - began < 2
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000003.jpg", 50)
        stock.put(b"/photos/new.jpg", 99)
    assert follower.catch_up() == 0
    assert follower.trouble().startswith("the index is 3 changes behind: Milvus at unix:")
    assert follower.state().behind == 3

    relay.open()
    wait_until(lambda: agrees(follower))
    assert follower.trouble() == ""
    assert follower.state().behind == 0
    assert stock.put_id(99) in follower.index.ids()


def test_one_that_does_not_answer_at_all_costs_a_search_less_than_two_seconds(
    stock: Stock, relay: Relay
) -> None:
    stock.fill(5)
    follower = stock.milvus(uri_of(relay))
    follower.start()
    relay.hold()

    took = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(IndexAwayError):
            follower.index.search(a_vector(1), 5)
        took.append(time.monotonic() - began)
    assert min(took) < 2
    assert max(took) < 8
    relay.go_on()
    wait_until(lambda: agrees(follower))


def test_a_start_does_not_wait_for_it(stock: Stock, relay: Relay) -> None:
    stock.fill(5)
    relay.close()
    follower = stock.milvus(uri_of(relay))
    began = time.monotonic()

    assert "does not answer" in follower.start()

    assert time.monotonic() - began < 2
    with pytest.raises(IndexAwayError):
        follower.index.search(a_vector(1), 5)
    relay.open()
    wait_until(lambda: agrees(follower))


def test_without_it_those_few_that_a_filter_lets_pass_are_found(stock: Stock, relay: Relay) -> None:
    photos = np.array(stock.fill(30))
    follower = stock.milvus(uri_of(relay))
    relay.close()
    follower.start()

    ids, scores = follower.index.search(a_vector(7), 3, photos[:10])

    assert ids[0] == stock.put_id(7)
    assert scores[0] == pytest.approx(1, abs=1e-3)
    assert len(follower.index.vectors(photos)[0]) == 30


@pytest.mark.slow
def test_what_was_written_and_not_marked_is_written_again(stock: Stock, milvus_lite: str) -> None:
    stock.fill(10)
    first = stock.milvus(milvus_lite)
    first.start()
    with stock.catalog.writing():
        new = stock.put(b"/photos/new.jpg", 99)
        stock.catalog.forget_path(b"/photos/000003.jpg", 50)
    gone = np.array([stock.put_id(3)])
    # As a turn that is killed behind its data: nothing is marked.
    first.index.replace(gone, np.array([new]), a_vector(99).reshape(1, -1))
    first.close()

    again = stock.milvus(milvus_lite)

    assert again.start().endswith("2 changes taken in")
    assert again.differences() == ([], [])


_WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from tests.store.stock import Stock
stock = Stock(Path(sys.argv[1]))
follower = stock.milvus(sys.argv[2])
follower.start()
print("up", flush=True)
first = stock.reader.counts(stock.model).photos
for step in range(first, 10**6):
    with stock.catalog.writing():
        stock.put(b"/photos/%d" % step, step)
        if step % 3 == 0:
            stock.catalog.forget_path(b"/photos/%d" % (step // 2), 50)
    print(step, flush=True)
    follower.catch_up()
"""


def test_killed_at_any_moment_it_agrees_after_the_next_start(tmp_path: Path, milvus: str) -> None:
    random = Random(5)
    for _ in range(4):
        command = [sys.executable, "-c", _WRITE_UNTIL_KILLED, str(tmp_path), milvus]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(random.randrange(3, 40)):
                child.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(random.random() * 0.02)  # anywhere between the catalog and the bookmark
            child.kill()
        with Stock(tmp_path) as stock:
            follower = stock.milvus(milvus)
            follower.start()
            assert stock.reader.counts(stock.model).photos > 0
            assert follower.differences() == ([], [])


def test_a_restored_catalog_gets_a_collection_of_its_own(stock: Stock, milvus: str) -> None:
    stock.fill(5)
    before = stock.milvus(milvus)
    before.start()
    with stock.catalog.writing():
        stock.catalog.renew_lineage()
        stock.catalog.forget_path(b"/photos/000003.jpg", 50)

    after = stock.milvus(milvus)
    after.start()

    assert after.differences() == ([], [])
    assert len(after.index.ids()) == 4
    assert len(before.index.ids()) == 5


def test_rows_that_were_lost_or_added_there_are_found_at_the_next_start(
    stock: Stock, milvus: str
) -> None:
    stock.fill(10)
    first = stock.milvus(milvus)
    first.start()
    stranger = np.array([4711])
    first.index.replace(np.array([2, 3]), stranger, a_vector(1).reshape(1, -1))
    assert first.differences() == ([2, 3], [4711])
    assert first.confirmed([2, 3, 5, 4711]) == ([2, 3], [4711])
    first.close()

    again = stock.milvus(milvus)
    again.start()

    assert again.differences() == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("what", ["photos", "bookmarks"])
def test_what_somebody_drops_there_is_made_anew(stock: Stock, milvus_lite: str, what: str) -> None:
    stock.fill(30)
    follower = stock.milvus(milvus_lite)
    follower.start()
    link = MilvusLink(milvus_lite)
    link.connect()
    ours = MilvusCollection(link, stock.reader.journal.lineage(), stock.spec.fingerprint, 16).name
    name = ours if what == "photos" else "clipd_bookmarks"
    link.call(lambda client: client.drop_collection(name))
    link.close()
    with stock.catalog.writing():
        new = stock.put(b"/photos/new.jpg", 99)
        stock.catalog.forget_path(b"/photos/000003.jpg", 50)

    wait_until(lambda: agrees(follower))

    assert follower.trouble() == ""
    assert follower.state().photos == 30
    assert follower.index.search(a_vector(99), 1)[0].tolist() == [new]


@pytest.mark.slow
def test_a_mended_one_agrees(stock: Stock, milvus_lite: str) -> None:
    stock.fill(10)
    follower = stock.milvus(milvus_lite)
    follower.start()
    follower.index.replace(np.array([2, 3]), np.array([4711]), a_vector(1).reshape(1, -1))

    follower.mend([2, 3, 4711])

    assert follower.differences() == ([], [])


@pytest.mark.slow
def test_after_it_was_away_all_is_compared_in_slices(
    stock: Stock, milvus_lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.fill(25)
    first = stock.milvus(milvus_lite)
    first.start()
    strangers = np.array([4711, 4712])
    vectors = np.stack([a_vector(1), a_vector(2)])
    first.index.replace(np.array([2, 3, 17]), strangers, vectors)
    first.close()
    monkeypatch.setattr("clipd.store.milvus_replay.MOST", 10)
    monkeypatch.setattr("clipd.store.milvus_follow._START_SECONDS", 0)
    monkeypatch.setattr("clipd.store.milvus_follow._SLICE_SECONDS", 0)

    again = stock.milvus(milvus_lite)

    again.start()
    assert again.must_go_on()
    assert again.differences() == ([17], strangers.tolist())
    assert again.catch_up() == 10
    assert again.differences() == ([], strangers.tolist())
    assert again.catch_up() == 5
    assert again.catch_up() == 0
    assert again.differences() == ([], [])
    assert not again.must_go_on()


@pytest.mark.slow
def test_more_strangers_than_it_lists_at_once_are_found_and_dropped(
    stock: Stock, milvus_lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.fill(3)
    first = stock.milvus(milvus_lite)
    first.start()
    strangers = np.arange(100, 150)
    first.index.replace(np.empty(0, np.int64), strangers, np.stack([a_vector(1)] * 50))
    monkeypatch.setattr("clipd.store.milvus_collection.MOST", 10)
    assert first.differences() == ([], strangers.tolist())
    first.close()

    again = stock.milvus(milvus_lite)
    again.start()

    assert again.differences() == ([], [])


@pytest.mark.slow
def test_a_check_while_it_is_filled_says_so_instead_of_listing_all(
    stock: Stock, milvus_lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.fill(25)
    follower = stock.milvus(milvus_lite)
    monkeypatch.setattr("clipd.store.milvus_replay._PAGE", 10)
    monkeypatch.setattr("clipd.store.milvus_follow._START_SECONDS", 0)
    monkeypatch.setattr("clipd.store.milvus_follow._SLICE_SECONDS", 0)
    monkeypatch.setattr("clipd.store.milvus_follow._CONFIRM_SECONDS", 0)
    follower.start()

    with pytest.raises(IndexAwayError, match="is still 15 changes behind; try again"):
        follower.differences()
    with pytest.raises(IndexAwayError, match="is still 5 changes behind; try again"):
        follower.confirmed([1, 2])


@pytest.mark.slow
def test_on_a_full_disk_it_is_still_searched_and_catches_up_when_there_is_room(
    stock: Stock, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    with small_disk(folder, "24m"):
        stock.fill(300)
        follower = stock.milvus(str(folder / "lite"))
        follower.start()
        fill_up(folder / "filler")
        with stock.catalog.writing():
            for number in range(1000):
                stock.put(b"/photos/new%d.jpg" % number, 10_000 + number)
            stock.catalog.forget_path(b"/photos/000003.jpg", 50)

        wait_until(lambda: follower.catch_up() == 0)

        assert follower.trouble().startswith("the index is 2,001 changes behind: Milvus Lite in")
        assert "has no room to write; make some there" in follower.trouble()
        assert follower.index.search(a_vector(7), 1)[0].tolist() == [stock.put_id(7)]
        with pytest.raises(IndexAwayError, match="has no room to write"):
            follower.mend([1])

        (folder / "filler").unlink()
        wait_until(lambda: agrees(follower))
        assert follower.trouble() == ""
        assert len(follower.index.ids()) == 1299
        follower.close()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a tmpfs of this size; skip where that is not allowed."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "clipd-test", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill_up(file: Path) -> None:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for size in (1 << 16, 1 << 8):
        with suppress(OSError):
            while True:
                os.write(descriptor, bytes(size))
    os.close(descriptor)


@pytest.mark.slow
def test_it_is_filled_anew_on_demand_and_goes_on_where_it_was_broken_off(
    stock: Stock, milvus_lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.fill(25)
    first = stock.milvus(milvus_lite)
    first.start()
    monkeypatch.setattr("clipd.store.milvus_replay._PAGE", 10)
    monkeypatch.setattr("clipd.store.milvus_follow._SLICE_SECONDS", 0)
    first.rebuild()
    assert first.catch_up() == 10
    assert first.must_go_on()
    assert first.state().behind == 15
    first.close()

    again = stock.milvus(milvus_lite)

    assert again.start().startswith("index: 25 photos")
    assert again.differences() == ([], [])


@pytest.mark.slow
def test_collections_of_models_that_are_forgotten_are_dropped(
    stock: Stock, milvus_lite: str
) -> None:
    stock.fill(3)
    old = stock.milvus(milvus_lite)
    old.start()
    old.close()
    with stock.catalog.writing():
        stock.catalog.forget_vectors(stock.model, 0, 100)
        stock.catalog.forget_model(stock.model)
        new = a_model("two", dim=8)

    follower = stock.milvus(milvus_lite, spec=new)
    follower.start()

    link = MilvusLink(milvus_lite)
    link.connect()
    names = link.call(lambda client: client.list_collections())
    link.close()
    assert len([name for name in names if stock.reader.journal.lineage()[:16] in name]) == 1


@pytest.mark.slow
def test_a_collection_of_its_name_with_other_vectors_is_refused_in_words(
    stock: Stock, milvus_lite: str
) -> None:
    stock.fill(3)
    stock.milvus(milvus_lite).start()

    wider = stock.milvus(milvus_lite, spec=replace(stock.spec, dim=24))

    assert "numbers, and those of this model 24; drop it there" in wider.start()
    with pytest.raises(IndexAwayError, match="have 16 numbers"):
        wider.index.search(a_vector(1, 24), 3)


@pytest.mark.slow
def test_a_collection_that_is_marked_as_another_librarys_is_refused_in_words(
    stock: Stock, milvus_lite: str
) -> None:
    stock.fill(3)
    first = stock.milvus(milvus_lite)
    first.start()
    link = MilvusLink(milvus_lite)
    link.connect()
    theirs = MilvusCollection(link, "somebody else's", stock.spec.fingerprint, stock.spec.dim)
    theirs.name = MilvusCollection(
        link, stock.reader.journal.lineage(), stock.spec.fingerprint, stock.spec.dim
    ).name
    theirs.mark(Bookmark(1, -1))
    link.close()

    again = stock.milvus(milvus_lite)

    assert "is the index of another library or model; drop it there" in again.start()


@pytest.mark.slow
def test_the_collection_of_the_next_model_is_filled_beside_that_in_use(
    stock: Stock, milvus_lite: str
) -> None:
    photos = stock.fill(12)
    follower = stock.milvus(milvus_lite)
    follower.start()
    spec = a_model("two", dim=8)
    with stock.catalog.writing():
        following = stock.catalog.model(spec)
        for photo in photos[:10]:
            stock.catalog.put_vector(following, photo, a_vector(photo, 8))

    builder = follower.builder_of(following, spec)
    builder.begin()
    while builder.is_running:
        builder.poll()

    assert follower.differences() == ([], [])
    after = stock.milvus(milvus_lite, spec=spec)
    assert after.start() == f"index: 10 photos in Milvus at {milvus_lite}, 0 changes taken in"
    assert after.differences() == ([], [])
    assert after.index.search(a_vector(photos[4], 8), 1)[0].tolist() == [photos[4]]
