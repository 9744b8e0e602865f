import os
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from clipd.errors import ChildError
from clipd.process.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    here, there = socket.socketpair()
    channels = Channel(here), Channel(there)
    for channel in channels:
        channel.set_timeout(20)
    yield channels
    for channel in channels:
        channel.close()


def test_a_message_arrives_whole(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    body = os.urandom(5_000_000)
    sender = threading.Thread(target=here.send, args=({"op": "x", "n": 3}, body))
    sender.start()
    message = there.receive(len(body))
    sender.join()
    assert message is not None
    assert message.header == {"op": "x", "n": 3}
    assert message.body == body


def test_an_empty_array_is_an_empty_body(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.send({"op": "x"}, np.empty((0, 384), np.float32).data)
    message = there.receive(0)
    assert message is not None
    assert message.body == b""


def test_a_large_body_arrives_whole_and_one_that_is_only_announced_takes_no_memory() -> None:
    here, there = socket.socketpair()
    with here, there, ThreadPoolExecutor(1) as pool:
        body = os.urandom(1 << 20) * 80
        sent = pool.submit(Channel(here).send, {}, body)
        message = Channel(there).receive(len(body), within=60)
        sent.result()
        assert message is not None
        assert message.body == body
        del message

        here.sendall(b"\x00\x00\x00\x02\x40\x00\x00\x00{}")  # a gigabyte
        tracemalloc.start()
        try:
            with pytest.raises(TimeoutError):
                Channel(there).receive(1 << 30, within=0.3)
            assert tracemalloc.get_traced_memory()[1] < 100 << 20
        finally:
            tracemalloc.stop()


def test_a_descriptor_travels_with_its_message(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    reader, writer = os.pipe()
    here.send({"op": "read"}, fds=[reader])
    os.close(reader)
    message = there.receive(0)
    assert message is not None
    os.write(writer, b"through")
    assert os.read(message.fds[0], 10) == b"through"
    os.close(message.fds[0])
    os.close(writer)


def test_a_closed_end_is_seen(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.close()
    assert there.receive(0) is None
    with pytest.raises(ChildError):
        there.send({}, b"x" * 10_000_000)


def test_an_end_that_another_thread_has_closed_cannot_be_waited_for(
    ends: tuple[Channel, Channel],
) -> None:
    here, _ = ends
    here.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        here.fileno()


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00\x00\x02\x00\x00\x10\x00{}",  # a body of 4096 where 10 bytes are allowed
        b"\xff\xff\xff\xff\x00\x00\x00\x00",  # a header of 4 GB
        b"\x00\x00\x00\x02\x00\x00\x00\x00[]",  # a header that is no object
        b"\x00\x00\x00\x02\x00\x00\x00\x00{x",  # a header that is no JSON
        b"\x00\x00\x00\x09\x00\x00\x00\x00{}",  # cut short
        b"\x00\x01\x00\x00\x00\x00\x00\x00" + b"[" * 65536,  # brackets without end
    ],
)
def test_nonsense_from_a_child_is_an_error_not_a_crash(raw: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(raw)
        here.shutdown(socket.SHUT_WR)
        with pytest.raises(ChildError):
            Channel(there).receive(10)


def test_a_message_that_stalls_in_its_middle_is_given_up_though_bytes_trickle() -> None:
    here, there = socket.socketpair()
    stop = threading.Event()

    def trickle() -> None:
        here.sendall(b"\x00\x00\x00\x40\x00\x00\x00\x00")
        while not stop.wait(0.05):
            here.sendall(b"{")

    with here, there:
        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            with pytest.raises(TimeoutError):
                Channel(there).receive(10, within=0.5)
        finally:
            stop.set()
            sender.join()
