from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from clipd.errors import IndexAwayError
from clipd.store.milvus_link import MilvusLink
from clipd.store.milvus_lite import LiteServer
from tests.milvus_server import Relay
from tests.store.stock import Stock, a_vector

pytestmark = pytest.mark.slow
SECONDS = 60.0


@pytest.fixture
def relay(milvus_lite: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay(tmp_path / "relay.sock", milvus_lite.removeprefix("unix:"))
    yield made
    made.close()


@pytest.mark.parametrize(
    "name", ["Bilder #1", "50% %41", "what?", "ü ß", "a:b;c", "auth fail", "x.db"]
)
def test_a_folder_and_a_socket_may_have_any_name(tmp_path: Path, name: str) -> None:
    server = LiteServer(tmp_path / name)
    server.start(SECONDS)
    socket = server.socket.rename(tmp_path / f"{name} socket.db")
    link = MilvusLink(f"unix:{socket}")
    try:
        link.connect()
        assert link.call(lambda client: client.list_collections()) == []
    finally:
        link.close()
        server.stop()
    with pytest.raises(IndexAwayError, match="does not answer; is it running"):
        MilvusLink(f"unix:{socket}").connect()


def test_one_late_answer_cuts_nobody_off_and_a_second_one_does(stock: Stock, relay: Relay) -> None:
    stock.fill(5)
    follower = stock.milvus(f"unix:{relay.file}")
    follower.start()
    relay.hold()
    with pytest.raises(IndexAwayError, match="does not answer in time"):
        follower.index.search(a_vector(1), 5)
    assert follower.trouble() == ""

    with pytest.raises(IndexAwayError, match="does not answer in time"):
        follower.index.search(a_vector(1), 5)

    assert "does not answer in time" in follower.trouble()
    relay.go_on()


def test_searches_that_are_cut_off_together_all_say_why(stock: Stock, relay: Relay) -> None:
    stock.fill(5)
    follower = stock.milvus(f"unix:{relay.file}")
    follower.start()
    relay.hold()
    said: list[str] = []

    def search() -> None:
        try:
            follower.index.search(a_vector(1), 5)
        except IndexAwayError as error:
            said.append(str(error))

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    threading.Event().wait(0.2)  # they have asked
    relay.close()
    for thread in threads:
        thread.join()

    name = f"Milvus at unix:{relay.file}"
    assert said == [f"{name} does not answer; is it running?"] * 8
    assert follower.state().away == said[0]


def test_however_many_search_none_waits_for_the_others_to_fail(stock: Stock, relay: Relay) -> None:
    stock.fill(5)
    follower = stock.milvus(f"unix:{relay.file}")
    follower.start()
    is_over = threading.Event()
    took: list[float] = []

    def search() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            with suppress(IndexAwayError):
                follower.index.search(a_vector(1), 5)
            took.append(time.monotonic() - began)
            is_over.wait(0.01)

    threads = [threading.Thread(target=search) for _ in range(20)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        relay.hold()
        is_over.wait(1)  # all have asked, and
        relay.close()  # are cut off at once;
        relay.hold()  # who connects anew is not answered
        relay.open()
        until = time.monotonic() + 2
        while time.monotonic() < until:
            follower.catch_up()
            is_over.wait(0.05)
        relay.go_on()
        deadline = time.monotonic() + SECONDS
        while follower.trouble():
            assert time.monotonic() < deadline
            follower.catch_up()
            is_over.wait(0.05)
    is_over.set()
    for thread in threads:
        thread.join()

    assert max(took) < 4  # one after the other they took over 5 s


def test_who_fails_late_does_not_cut_the_connection_that_came_after(milvus_lite: str) -> None:
    link = MilvusLink(milvus_lite)
    link.connect()

    def fail_late(_: object) -> None:
        link.refuse("it is another")
        deadline = time.monotonic() + SECONDS
        while not link.is_due:
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)
        link.connect()
        link.admit()
        raise ValueError("Cannot invoke RPC on closed channel!")

    with pytest.raises(IndexAwayError):
        link.call(fail_late)

    assert link.is_up
    assert link.call(lambda client: client.list_collections()) is not None
    link.close()
