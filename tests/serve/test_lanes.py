from __future__ import annotations

import asyncio
import threading
import time

import pytest

from clipd.errors import RequestError
from clipd.serve.lanes import Lane


async def fill(lane: Lane, count: int, go: threading.Event) -> list[BaseException | bool]:
    """Ask for more than a lane takes; let those go that it took."""
    asked = [asyncio.ensure_future(lane.run(lambda: go.wait(20))) for _ in range(count)]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)  # the refused
    go.set()
    return await asyncio.gather(*asked, return_exceptions=True)


def test_a_lane_refuses_what_it_has_no_room_for_in_its_own_words() -> None:
    lane = Lane("test", threads=1, most=3, busy="three are enough")
    outcomes = asyncio.run(fill(lane, 4, threading.Event()))
    lane.close()
    assert outcomes[:3] == [True] * 3
    (refused,) = outcomes[3:]
    assert isinstance(refused, RequestError)
    assert (refused.status, str(refused)) == (503, "three are enough")


def test_room_is_there_again_when_work_is_done() -> None:
    lane = Lane("test", threads=1, most=1, busy="one is enough")
    for _ in range(3):
        assert asyncio.run(lane.run(lambda: 7)) == 7
    lane.close()


@pytest.mark.slow
def test_a_lane_closes_though_a_disk_never_answers() -> None:
    lane = Lane("test", threads=1, most=9, busy="busy")
    answers, begun = threading.Event(), threading.Event()

    def ask_a_dead_disk() -> bool:
        begun.set()
        return answers.wait(60)

    async def give_up() -> None:
        asked = asyncio.ensure_future(lane.run(ask_a_dead_disk))
        waiting = asyncio.ensure_future(lane.run(lambda: True))
        await asyncio.to_thread(begun.wait, 20)
        for one in (asked, waiting):
            one.cancel()
        await asyncio.wait([asked, waiting])

    try:
        asyncio.run(give_up())
        closing = time.monotonic()
        lane.close()
        assert time.monotonic() - closing < 20
    finally:
        answers.set()
