from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from clipd.encode.mux import IMAGES, QUERIES, Mux
from clipd.process.channel import Message

DEADLINE_SECONDS = 30.0
LARGE = os.urandom(8 << 20)


@pytest.fixture
def ends() -> Iterator[tuple[Mux, Mux]]:
    here, there = socket.socketpair()
    ours, theirs = here.detach(), there.detach()
    muxes = Mux(ours, ours), Mux(theirs, theirs)
    for lane in (*muxes[0].lanes, *muxes[1].lanes):
        lane.set_timeout(DEADLINE_SECONDS)
    yield muxes
    for mux in muxes:
        mux.close()


def wait_for(claim: Callable[[], object]) -> None:
    pause, end = threading.Event(), time.monotonic() + DEADLINE_SECONDS
    while not claim():
        assert time.monotonic() < end, "waited in vain"
        pause.wait(0.01)


def received(mux: Mux, lane: int) -> Message:
    message = mux.lanes[lane].receive(len(LARGE))
    assert message is not None
    return message


def test_both_ends_send_more_than_fits_on_both_lanes_at_once(ends: tuple[Mux, Mux]) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(mux.lanes[lane].send, {"lane": lane}, LARGE)
            for mux in ends
            for lane in (IMAGES, QUERIES)
        ]
        came = [pool.submit(received, mux, lane) for mux in ends for lane in (IMAGES, QUERIES)]
        for each in sent:
            each.result()
        for message, lane in zip(came, 2 * (IMAGES, QUERIES), strict=True):
            assert message.result().header == {"lane": lane}
            assert message.result().body == LARGE


def test_a_lane_that_nobody_reads_holds_up_no_other(ends: tuple[Mux, Mux]) -> None:
    here, there = ends
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(here.lanes[IMAGES].send, {}, LARGE)
        for number in range(100):
            here.lanes[QUERIES].send({"n": number})
            assert received(there, QUERIES).header == {"n": number}
        assert not stuck.done()
        assert received(there, IMAGES).body == LARGE
        stuck.result()


def test_a_program_that_prints_without_end_holds_up_no_lane(ends: tuple[Mux, Mux]) -> None:
    here, there = ends
    stop = threading.Event()

    def print_without_end() -> None:
        while not stop.is_set():
            here.say("x" * 400)

    printing = threading.Thread(target=print_without_end)
    printing.start()
    try:
        for number in range(20):
            here.lanes[QUERIES].send({"n": number}, LARGE[:100_000])
            assert received(there, QUERIES).header == {"n": number}
    finally:
        stop.set()
        printing.join()


def test_an_end_that_does_not_read_costs_the_other_no_processor_time() -> None:
    here, there = socket.socketpair()
    fd = here.detach()
    mux = Mux(fd, fd)
    with there, ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(mux.lanes[IMAGES].send, {}, LARGE)
        pause = threading.Event()
        pause.wait(0.5)  # until the buffers are full
        begun = time.process_time()
        pause.wait(2.5)
        used = time.process_time() - begun
        mux.close()
        assert stuck.exception() is not None
    assert used < 0.5


def test_what_an_end_is_at_is_told_once_a_second(ends: tuple[Mux, Mux]) -> None:
    here, there = ends
    here.tells = lambda: "preparing\n\x1b[31mthe model"

    wait_for(lambda: there.told == "[31mthe model")  # one line, without what moves a cursor
    here.tells = lambda: ""
    wait_for(lambda: there.told == "")


def test_the_last_words_are_heard_though_something_was_to_be_sent() -> None:
    here, there = socket.socketpair()
    fd = here.detach()
    mux = Mux(fd, fd)
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(mux.lanes[IMAGES].send, {}, LARGE)
        there.recv(1 << 16)
        there.sendall(b"Connection to desktop closed by remote host.\r\n")
        there.close()  # with unread pixels in its buffer, as when ssh is killed
        assert stuck.exception() is not None
    wait_for(lambda: not mux.is_open())
    mux.join()
    assert mux.ending == "Connection to desktop closed by remote host."
    mux.close()


FRAME = struct.Struct("!BBI")


@pytest.mark.parametrize(
    "sent",
    [
        FRAME.pack(1, 0, 1 << 31),
        FRAME.pack(9, 0, 0),
        FRAME.pack(9, 0, 9) + b'{"a": 1}' + b"\n",
        FRAME.pack(1, 2, 0),
        FRAME.pack(1, 0, 1 << 16) * 2,
        17 * (FRAME.pack(1, 0, 1 << 16) + bytes(1 << 16)) + FRAME.pack(7, 7, 7),
        FRAME.pack(2, 0, 0) + FRAME.pack(2, 1, 40) + b"\xff" * 40 + FRAME.pack(0, 0, 0),
        b"\xff" * 100_000,
    ],
    ids=["huge", "kind", "binary", "lane", "frames", "ungranted", "grants", "noise"],
)
def test_frames_that_no_clipd_sends_end_the_stream_and_both_lanes(sent: bytes) -> None:
    here, there = socket.socketpair()
    fd = here.detach()
    mux = Mux(fd, fd)
    with there, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(there.sendall, sent)
        there.settimeout(DEADLINE_SECONDS)
        if sent == FRAME.pack(1, 0, 1 << 16) * 2:
            sending.result()
            there.shutdown(socket.SHUT_WR)
        mux.join()
        sending.exception()
    assert not mux.is_open()
    assert mux.ending in (
        "",
        "it sent what no clipd sends",
        "it sent more than it was granted",
    ) or (mux.ending.startswith("it sent a frame of "))
    assert mux.lanes[QUERIES].receive(0) is None
    mux.close()
