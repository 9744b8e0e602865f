"""Three hundred clients that never finish what they began, and one that wants an answer."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.daemon.wire import UnixConnection
from tests.faults.oracle import assert_agreement, disk, like
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_CLIENTS = 300
_PATIENT_SECONDS = 10.0  # ten times what a good client waits on a busy machine
_KNOWN = 10

_BEGINNINGS = {
    "says nothing": b"",
    "half of a line": b"GET /v1/sea",
    "half of a header": b"GET /v1/status HTTP/1.1\r\nHost: clipd\r\nX-A: b",
    "a header without end": b"GET /v1/status HTTP/1.1\r\n" + b"X-Word: more\r\n" * 50,
    "no body": b"POST /v1/search HTTP/1.1\r\nHost: c\r\nContent-Length: 1000\r\n\r\n",
    "half of a body": b"POST /v1/search HTTP/1.1\r\nHost: c\r\nContent-Length: 99\r\n\r\n{",
    "half of a picture": b"POST /v1/search HTTP/1.1\r\nHost: c\r\nContent-Type: image/bmp\r\n"
    b"Content-Length: 60000000\r\n\r\n" + b"BM" * 5000,
    "half of a chunk": b"POST /v1/search HTTP/1.1\r\nHost: c\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1000\r\nabc",
    "waits for more": b"GET /v1/ping HTTP/1.1\r\nHost: c\r\n\r\n",
    "does not read": b"GET /v1/search?q=sunset HTTP/1.1\r\nHost: c\r\n\r\n" * 40,
    "asks to go on": b"POST /v1/search HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\n"
    b"Content-Length: 10\r\n\r\n",
    "no HTTP": bytes(range(256)),
}


@contextmanager
def _half_open(daemon: Daemon, dice: random.Random, kinds: list[str]) -> Iterator[None]:
    with ExitStack() as open_ones:
        for number in range(_CLIENTS):
            client = open_ones.enter_context(closing(UnixConnection(daemon.socket)))
            with suppress(OSError):  # cut off by the server: its good right
                client.connect()
                client.sock.settimeout(0.5)
                client.sock.sendall(_BEGINNINGS[kinds[number % len(kinds)]])
                if dice.random() < 0.2:
                    client.sock.shutdown(socket.SHUT_WR)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the daemon of this module watches."""
    folder = tmp_path_factory.mktemp("sockets") / "root"
    folder.mkdir()
    for number in range(_KNOWN):
        (folder / f"{number}.bmp").write_bytes(picture(number))
    return folder


@pytest.fixture(scope="module")
def daemon(module_daemons: Daemons, root: Path) -> Daemon:
    """A daemon that knows some photos, with its model awake; these tests share it."""
    made = module_daemons.new([root]).start()
    assert_agreement(made, disk(root))
    return made


def _assert_served(daemon: Daemon) -> None:
    begun = time.monotonic()
    # "Too many, try again" is an answer, too: to who asks again, the others have given way.
    daemon.wait_until(lambda: _is_found(daemon), _PATIENT_SECONDS, what="an answer")
    assert daemon.status()["state"] in ("idle", "indexing", "scanning")
    assert like(daemon, picture(3))[0]["path"].endswith("/3.bmp")
    assert daemon.ctl("ping").returncode == 0
    took = time.monotonic() - begun
    assert took < _PATIENT_SECONDS, f"a good client waited {took:.1f} s"


def _is_found(daemon: Daemon) -> bool:
    code, answer = daemon.request("GET", "/v1/search?q=sunset&limit=100")
    assert code in (200, 503), answer
    return code == 200 and len(answer["hits"]) >= _KNOWN


@pytest.mark.parametrize("kind", [*_BEGINNINGS, "all of them"])
def test_clients_that_never_finish_keep_nobody_from_an_answer(
    daemon: Daemon, root: Path, dice: random.Random, kind: str
) -> None:
    kinds = list(_BEGINNINGS) if kind == "all of them" else [kind]
    pid = daemon.pid

    with _half_open(daemon, dice, kinds):
        for _ in range(3):
            _assert_served(daemon)
        (root / f"{kind}.bmp").write_bytes(picture(100 + len(os.listdir(root))))
        assert_agreement(daemon, disk(root), pictures=2)

    assert daemon.pid == pid
    assert "Traceback" not in daemon.log()
