from __future__ import annotations

import itertools
import logging
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.config.options import ServeConfig
from clipd.serve.body import LARGE_AT_ONCE
from clipd.serve.lanes import MODEL_THREADS, MODEL_WAITERS
from tests.daemon.wire import wait_until
from tests.serve.answering import GivenService, running
from tests.serve.http_client import (
    Reply,
    ask,
    connected,
    is_closed_by_server,
    read_reply,
    say_bytes,
    warm_up,
)

PING = b"GET /v1/ping HTTP/1.1\r\nHost: clipd\r\n\r\n"
SEARCH = b"GET /v1/search?q=x HTTP/1.1\r\nHost: clipd\r\n\r\n"


PIECES = (
    *(b"GET ", b"POST ", b"/v1/search", b"?q=x", b"?limit=", b" HTTP/1.1\r\n", b"Host: a\r\n"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"),
    *(b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"\r\n", b"5\r\n", b"0\r\n\r\n"),
    *(b'{"query":', b'"x"}', PING, PING + PING),
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """One server for the tests that only talk to it: a stop takes 0.1 s."""
    service = GivenService()
    config = ServeConfig(timeout=20)
    with (
        tempfile.TemporaryDirectory(prefix="clipd-") as name,
        running(Path(name), service, config) as path,
    ):
        warm_up(path, service)
        yield path


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS?\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /v1/ping HTTP/x\r\nHost: a\r\n\r\n", 400),
        (b"GET /v1/p\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /v1/ping HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /v1/ping HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /v1/ping?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
    ],
)
def test_what_is_not_http_is_refused_in_json(shared: Path, data: bytes, status: int) -> None:
    reply = say_bytes(shared, data)
    assert reply.status == status
    assert reply.code in ("bad_request", "not_implemented", "header_too_large")
    assert ask(shared, "GET", "/v1/ping").status == 200


def test_a_connection_serves_requests_one_after_another(folder: Path) -> None:
    with running(folder) as path, connected(path) as sock:
        for _ in range(3):
            sock.sendall(PING)
            assert read_reply(sock).status == 200
        sock.sendall(PING + PING)  # both at once, answered in order
        assert read_reply(sock).status == 200


def test_a_client_that_never_asks_is_cut_off(folder: Path) -> None:
    with running(folder, config=ServeConfig(timeout=0.2)) as path, connected(path) as sock:
        reply = read_reply(sock)
        assert (reply.status, reply.code) == (408, "too_slow")
        assert is_closed_by_server(sock)


def test_a_header_that_drips_is_cut_off(folder: Path) -> None:
    with running(folder, config=ServeConfig(timeout=1.0)) as path, connected(path) as sock:
        sock.sendall(PING)
        assert read_reply(sock).status == 200  # a good request buys no more time for the next
        stop = threading.Event()
        dripping = threading.Thread(target=_drip, args=(sock, stop))
        dripping.start()
        try:
            assert read_reply(sock).status == 408
        finally:
            stop.set()
            dripping.join()


def _drip(sock: socket.socket, stop: threading.Event) -> None:
    try:
        for byte in b"GET /v1/ping HTTP/1.1\r\nX: " + b"x" * 100_000:
            sock.send(bytes([byte]))
            if stop.wait(0.02):
                return
    except OSError:
        return  # cut off, as it should be


def test_a_body_that_does_not_come_is_cut_off(folder: Path) -> None:
    head = b"POST /v1/pause HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"
    with running(folder, config=ServeConfig(timeout=0.2)) as path, connected(path) as sock:
        sock.sendall(head)
        reply = read_reply(sock)
        assert (reply.status, reply.code) == (408, "too_slow")
        assert is_closed_by_server(sock)


def test_a_body_over_the_limit_is_refused_before_it_is_read(folder: Path) -> None:
    head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    with running(folder, config=ServeConfig(max_body=1000)) as path:
        reply = say_bytes(path, head)
        assert (reply.status, reply.code) == (413, "too_large")
        assert "serve.max_body" in reply.message


def test_a_body_in_chunks_is_refused_when_it_grows_over_the_limit(folder: Path) -> None:
    head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"258\r\n" + b"x" * 600 + b"\r\n"
    with running(folder, config=ServeConfig(max_body=1000)) as path:
        assert say_bytes(path, head + chunk + chunk).status == 413


def test_a_body_in_chunks_is_read(folder: Path) -> None:
    head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running(folder) as path:
        data = head + b'9\r\n{"query":\r\n4\r\n"x"}\r\n0\r\n\r\n'
        assert say_bytes(path, data).value["query"] == "x"


def test_half_open_clients_do_not_keep_a_good_one_out(folder: Path) -> None:
    with running(folder, config=ServeConfig(max_connections=8)) as path, ExitStack() as held:
        for _ in range(60):
            held.enter_context(connected(path))
        for _ in range(20):
            assert ask(path, "GET", "/v1/ping").status == 200


def held_searches(
    *, needs_model: bool = False
) -> tuple[GivenService, threading.Semaphore, threading.Event]:
    """Make a service whose searches say that they have begun, and wait until they may go on."""
    begun, go = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        begun.release()
        go.wait(20)

    return GivenService(before_search=wait, needs_model=needs_model), begun, go


def test_one_request_too_many_is_told_to_come_back(folder: Path) -> None:
    service, begun, go = held_searches()
    config = ServeConfig(max_connections=2)
    with running(folder, service, config) as path, ExitStack() as held:
        busy = [held.enter_context(connected(path)) for _ in range(2)]
        for sock in busy:
            sock.sendall(b"GET /v1/search?q=x HTTP/1.1\r\nHost: a\r\n\r\n")
        assert all(begun.acquire(timeout=20) for _ in busy)
        reply = ask(path, "GET", "/v1/ping")
        go.set()
        assert (reply.status, reply.code) == (503, "too_many_connections")
        assert [read_reply(sock).status for sock in busy] == [200, 200]


@pytest.mark.parametrize(("reads", "status"), [(False, 200), (True, 503)])
def test_who_asks_ahead_without_reading_gives_way_to_others(
    folder: Path, reads: bool, status: int
) -> None:
    begun, go, count = threading.Semaphore(0), threading.Event(), itertools.count()

    def hold_all_but_the_first_two() -> None:
        number = next(count)
        begun.release()
        if number >= 2:
            go.wait(20)

    service = GivenService(before_search=hold_all_but_the_first_two)
    config = ServeConfig(max_connections=2)
    with running(folder, service, config) as path, ExitStack() as held:
        greedy = [held.enter_context(connected(path)) for _ in range(2)]
        for requests in (SEARCH, SEARCH * 4):
            for sock in greedy:
                sock.sendall(requests)
            assert all(begun.acquire(timeout=20) for _ in greedy)
        if reads:
            assert [sock.recv(1 << 20)[:12] for sock in greedy] == [b"HTTP/1.1 200"] * 2
        assert ask(path, "GET", "/v1/ping").status == status
        go.set()


def test_a_client_that_does_not_read_its_answer_is_cut_off(folder: Path) -> None:
    service = GivenService(hits=GivenService().hits * 3000)
    request = b'POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n{"query":"x"}'
    with running(folder, service, ServeConfig(timeout=1.0)) as path, connected(path) as sock:
        sock.sendall(request)
        with connected(path) as other:  # an answer of over 1 MB does not fit in the kernel
            other.sendall(request)
            assert read_reply(other).status == 200
        _send_until_refused(sock)


def _send_until_refused(sock: socket.socket) -> None:
    pause = threading.Event()
    for _ in range(1000):
        try:
            sock.sendall(b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return
        pause.wait(0.02)
    raise AssertionError("still connected after 20 s")


def test_a_client_that_leaves_in_the_middle_does_no_harm(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    halves = [
        b"GET /v1/pi",
        b"POST /v1/pause HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{",
        b"GET /v1/search?q=x HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    with running(folder) as path:
        for half in halves:
            with connected(path) as sock:
                sock.sendall(half)
        assert ask(path, "GET", "/v1/ping").status == 200
    assert caplog.text == ""


LARGE_BYTES = 100_000
LARGE_HEAD = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Type: image/jpeg\r\n"
LARGE = LARGE_HEAD + b"Content-Length: %d\r\n\r\n" % LARGE_BYTES + b"x" * LARGE_BYTES


def test_large_requests_wait_for_room_so_that_memory_is_bounded(folder: Path) -> None:
    service, begun, go = held_searches()
    config = ServeConfig(timeout=1.0, max_body=LARGE_BYTES)
    with running(folder, service, config) as path, ExitStack() as held:
        being_answered = [held.enter_context(connected(path)) for _ in range(LARGE_AT_ONCE)]
        for sock in being_answered:
            sock.sendall(LARGE)
        assert all(begun.acquire(timeout=20) for _ in being_answered)
        reply = say_bytes(path, LARGE)
        assert (reply.status, reply.code) == (503, "busy")
        go.set()
        assert [read_reply(sock).status for sock in being_answered] == [200] * LARGE_AT_ONCE
        assert say_bytes(path, LARGE).status == 200


def test_large_bodies_that_do_not_come_give_way_to_one_that_does(folder: Path) -> None:
    config = ServeConfig(timeout=20, max_body=LARGE_BYTES)
    with running(folder, config=config) as path, ExitStack() as held:
        for _ in range(10):
            held.enter_context(connected(path)).sendall(LARGE[:-1])
        for _ in range(3):
            begun = time.monotonic()
            assert say_bytes(path, LARGE).status == 200
            assert time.monotonic() - begun < 10


def test_searches_that_wait_for_the_model_keep_nobody_else_waiting(folder: Path) -> None:
    service, begun, go = held_searches(needs_model=True)
    with running(folder, service) as path, ExitStack() as held:
        waiting = [held.enter_context(connected(path)) for _ in range(MODEL_WAITERS + 1)]
        for sock in waiting:
            sock.sendall(SEARCH)
        assert all(begun.acquire(timeout=20) for _ in range(MODEL_THREADS))
        for address in ("/v1/status", "/v1/ping", "/v1/errors"):
            assert ask(path, "GET", address).status == 200
        (refused,), _, _ = select.select(waiting, [], [], 20)
        reply = read_reply(refused)
        assert (reply.status, reply.code) == (503, "busy")
        assert "wait for the model" in reply.message
        service.needs_model = False
        service.before_search = lambda: None
        assert ask(path, "GET", "/v1/search?q=known").status == 200
        go.set()
        waiting.remove(refused)
        assert {read_reply(sock).status for sock in waiting} == {200}


HALF_OPEN: dict[str, bytes] = {
    "says nothing": b"",
    "drips a header": b"GET /v1/ping HTTP/1.1\r\nHost: a",
    "stops after a request": PING,
    "owes a small body": b"POST /v1/pause HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
    "owes a large body": LARGE[:-1],
    "owes a chunk": LARGE_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "does not read": SEARCH,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*HALF_OPEN, "all kinds"])
def test_300_half_open_clients_keep_no_good_one_out(folder: Path, kind: str) -> None:
    service = GivenService(hits=GivenService().hits * 500)  # more than a socket holds
    pieces = list(HALF_OPEN.values()) if kind == "all kinds" else [HALF_OPEN[kind]]
    with running(folder, service) as path, ExitStack() as held:
        for number in range(300):
            sock = held.enter_context(connected(path))
            with suppress(BrokenPipeError, ConnectionResetError):  # cut off to make room already
                sock.sendall(pieces[number % len(pieces)])
            if number % 10 == 0:
                assert_let_in(lambda: ask(path, "GET", "/v1/ping"))
        for address in ["/v1/ping", "/v1/status", "/v1/search?q=x"] * 10:
            assert_let_in(partial(ask, path, "GET", address))
        assert_let_in(lambda: say_bytes(path, LARGE))


def assert_let_in(say: Callable[[], Reply]) -> None:
    """Ask until there is an answer: while all the others are being answered, "try again" is one."""
    deadline = time.monotonic() + 10
    while (reply := say()).status == 503:
        assert reply.code in ("too_many_connections", "busy")
        assert time.monotonic() < deadline, "a good client was let in never"
        time.sleep(0.02)
    assert reply.status == 200
    assert time.monotonic() < deadline


def test_a_client_that_is_cut_off_while_it_sends_reads_why(folder: Path) -> None:
    with running(folder, config=ServeConfig(max_body=1000)) as path, connected(path) as sock:
        head = b"POST /v1/search HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n"
        sock.sendall(head)
        reply = read_reply(sock)
        for _ in range(100):  # as a client does that looks for an answer when it has sent all
            sock.sendall(b"x" * 50_000)
        assert (reply.status, reply.code) == (413, "too_large")


@pytest.mark.slow
def test_without_descriptors_clients_wait_and_the_log_says_so_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "clipd.serve.accepting")
    with running(folder) as path, ExitStack() as held:
        assert ask(path, "GET", "/v1/ping").status == 200
        clients = [held.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(70)]
        with no_more_descriptors():
            for sock in clients:
                sock.settimeout(20)
                sock.connect(str(path))
                sock.sendall(PING)
            # asyncio tells of each of 128 tries, once a second.
            wait_until(lambda: len(caplog.records) > 200)
        assert [read_reply(sock).status for sock in clients[-64:]] == [200] * 64
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process, which is client and server at once, keep what it has and open no more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@given(data=st.lists(st.sampled_from(PIECES) | st.binary(max_size=40), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_bytes_at_all_bring_the_server_down(shared: Path, data: list[bytes]) -> None:
    with connected(shared) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(b"".join(data))
            sock.shutdown(socket.SHUT_WR)
        said = _read_all(sock)
    assert b"Traceback" not in said
    assert said == b"" or said.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 500" not in said
    assert ask(shared, "GET", "/v1/ping").status == 200


def _read_all(sock: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            said += piece
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused_even_where_the_modes_would_let_them_in() -> None:
    with tempfile.TemporaryDirectory(prefix="clipd-") as name, running(Path(name)) as path:
        Path(name).chmod(0o755)
        path.chmod(0o666)
        stranger = (
            "import os,socket,sys;os.setuid(12345);s=socket.socket(socket.AF_UNIX);"
            "s.connect(sys.argv[1]);"
            "print(s.makefile('rb').read().decode())"
        )
        said = subprocess.run(
            [sys.executable, "-I", "-c", stranger, str(path)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert said.stdout.startswith("HTTP/1.1 403 "), said.stderr
        assert '"forbidden"' in said.stdout
