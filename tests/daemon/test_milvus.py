"""A real daemon whose index lies in a Milvus, and nothing else of the network in reach."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.milvus_server import Relay

SCENES = ("sunset", "a cat", "snowy mountains", "beach", "cake")

# As RestrictAddressFamilies=AF_UNIX of the unit: no other socket can be made, by children either.
SEALED = """
import errno, os, socket, sys
import pyseccomp as seccomp
rules = seccomp.SyscallFilter(seccomp.ALLOW)
other = seccomp.Arg(0, seccomp.NE, int(socket.AF_UNIX))
rules.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", other)
rules.load()
os.execv(sys.argv[1], sys.argv[1:])
"""
PREFIX = [sys.executable, "-c", SEALED]


def index(uri: str | Path) -> str:
    return f'[index]\nkind = "milvus"\nuri = "{uri}"\n'


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "Pictures"
    for scene in SCENES:
        for n in range(4):
            album.save(folder / scene / f"{n}.jpg", album.new(scene.removeprefix("a ")))
    return folder


@pytest.fixture
def relay(milvus: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay(tmp_path / "relay.sock", milvus.removeprefix("unix:"))
    yield made
    made.close()


@pytest.fixture
def made(daemons: Daemons, seed: FirstCrawl, pictures: Path) -> Callable[[str], Daemon]:
    """Makes daemons that need not prepare the model, and know no photo."""

    def make(config: str) -> Daemon:
        daemon = daemons.new([pictures], config, prefix=PREFIX)
        known = seed.cache / "clipd" / "compiled"
        shutil.copytree(known, daemon.home / "cache" / "clipd" / "compiled")
        return daemon.start()

    return make


def mapped(daemon: Daemon) -> str:
    return Path(f"/proc/{daemon.pid}/maps").read_text()


@pytest.mark.slow
def test_a_daemon_without_it_loads_nothing_of_it(made: Callable[[str], Daemon]) -> None:
    daemon = made("")
    daemon.wait_idle()
    daemon.search("sunset")

    assert "faiss" in mapped(daemon)
    strangers = ("cygrpc", "pandas", "pyarrow", "/ray/")
    assert not [word for word in strangers if word in mapped(daemon)]


@pytest.mark.slow
def test_with_milvus_lite_photos_come_and_go_and_a_kill_loses_nothing(
    made: Callable[[str], Daemon], pictures: Path, tmp_path: Path
) -> None:
    daemon = made(index(tmp_path / "lite"))
    daemon.wait_until(lambda: answers(daemon))
    daemon.wait_idle()
    assert daemon.status()["index"]["kind"] == "milvus"
    assert "cygrpc" in mapped(daemon)
    assert "pyarrow" not in mapped(daemon)
    assert {Path(hit["path"]).parent.name for hit in daemon.search("sunset", 4)} == {"sunset"}
    assert daemon.verify()["photos"] == 20

    album.save(pictures / "new.jpg", album.new("sunset"))
    daemon.wait_until(lambda: b"new.jpg" in daemon.found(pictures))
    (pictures / "new.jpg").unlink()
    daemon.wait_until(lambda: b"new.jpg" not in daemon.found(pictures))

    daemon.kill()
    album.save(pictures / "later.jpg", album.new("sunset"))
    daemon.start()
    daemon.wait_until(lambda: answers(daemon) and b"later.jpg" in daemon.found(pictures))
    assert daemon.worked()[1] == 1
    assert daemon.verify()["photos"] == 21
    assert daemon.status()["problems"] == []
    assert oct(os.stat(tmp_path / "lite.sock").st_mode & 0o777) == "0o700"
    daemon.stop()
    assert not (tmp_path / "lite.sock").exists()


@pytest.mark.slow
def test_a_milvus_lite_that_is_killed_comes_back(
    made: Callable[[str], Daemon], pictures: Path, tmp_path: Path
) -> None:
    daemon = made(index(tmp_path / "lite"))
    daemon.wait_until(lambda: answers(daemon))
    daemon.wait_idle()
    (lite,) = [one for one in daemon.family() if "milvus_lite_worker" in one.command]

    os.kill(lite.pid, signal.SIGKILL)

    album.save(pictures / "new.jpg", album.new("sunset"))
    daemon.wait_until(lambda: answers(daemon) and b"new.jpg" in daemon.found(pictures))
    assert daemon.verify()["photos"] == 21


def answers(daemon: Daemon) -> bool:
    return daemon.request("GET", "/v1/search?q=sunset")[0] == 200


def test_while_it_is_away_searches_say_so_and_photos_are_taken_in(
    made: Callable[[str], Daemon], pictures: Path, relay: Relay
) -> None:
    daemon = made(index(f"unix:{relay.file}"))
    daemon.wait_idle()
    daemon.wait_until(lambda: len(daemon.search("sunset")) == 20)
    relay.close()

    began = time.monotonic()
    code, answer = daemon.request("GET", "/v1/search?q=sunset")
    assert time.monotonic() - began < 5
    assert (code, answer["error"]["code"]) == (503, "index_away")
    assert "does not answer; is it running?" in answer["error"]["message"]
    failed = daemon.ctl("search", "sunset", ok=False)
    assert failed.returncode == 4
    assert b"does not answer; is it running?" in failed.stderr

    for n in range(3):
        album.save(pictures / f"new{n}.jpg", album.new("sunset"))
    daemon.wait_until(lambda: daemon.status()["photos"] == 23)
    (problem,) = daemon.status()["problems"]
    assert problem.startswith("the index is ")
    assert " changes behind: Milvus at unix:" in problem
    within = daemon.request("GET", f"/v1/search?q=sunset%20in:{pictures}/sunset")
    assert (within[0], len(within[1]["hits"])) == (200, 4)

    relay.open()
    daemon.wait_until(lambda: answers(daemon) and len(daemon.search("sunset")) == 23)
    assert daemon.status()["problems"] == []
    assert daemon.verify()["photos"] == 23


def test_the_daemon_starts_without_it(
    made: Callable[[str], Daemon], pictures: Path, relay: Relay
) -> None:
    relay.close()
    daemon = made(index(f"unix:{relay.file}"))
    daemon.wait_until(lambda: daemon.status()["photos"] == 20)
    assert daemon.request("GET", "/v1/search?q=sunset")[1]["error"]["code"] == "index_away"

    relay.open()

    daemon.wait_until(lambda: answers(daemon) and len(daemon.search("sunset")) == 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "index.uri"),
        ("http://127.0.0.1:19530", "is an address of the network, where clipd does not go"),
        ("unix:milvus.sock", "is no absolute path"),
        ("lite.db", "is no absolute path"),
    ],
)
def test_a_uri_that_cannot_be_is_refused_in_words(
    daemons: Daemons, pictures: Path, uri: str, words: str
) -> None:
    daemon = daemons.new([pictures], index(uri))
    checked = daemon.clipd("config", "check", "--config", str(daemon.file))
    assert checked.returncode
    assert words in checked.stderr.decode()


def test_one_that_hangs_delays_neither_answers_nor_the_stop(
    made: Callable[[str], Daemon], pictures: Path, relay: Relay
) -> None:
    daemon = made(index(f"unix:{relay.file}"))
    daemon.wait_idle()
    daemon.wait_until(lambda: len(daemon.search("sunset")) == 20)
    relay.hold()
    album.save(pictures / "new.jpg", album.new("sunset"))  # the indexer waits for its write
    daemon.wait_until(lambda: daemon.status()["photos"] == 21)

    status_took = []
    for _ in range(3):
        began = time.monotonic()
        code, answer = daemon.request("GET", "/v1/search?q=sunset")
        assert time.monotonic() - began < 5  # 1.4 s, and 8 where it waits as long as a write
        assert (code, answer["error"]["code"]) == (503, "index_away")
        began = time.monotonic()
        daemon.status()
        status_took.append(time.monotonic() - began)
    assert min(status_took) < 1.2  # it does not wait as long as a search
    assert "does not answer in time" in daemon.status()["problems"][0]

    assert daemon.stop() < 6  # 8 s where it waits for the write


def test_a_stop_does_not_wait_for_one_that_hangs(
    made: Callable[[str], Daemon], pictures: Path, relay: Relay
) -> None:
    daemon = made(index(f"unix:{relay.file}"))
    daemon.wait_idle()
    relay.hold()
    album.save(pictures / "new.jpg", album.new("sunset"))
    daemon.wait_until(lambda: daemon.status()["photos"] == 21)

    assert daemon.stop() < 6  # 8 s where it waits for the write

    relay.go_on()
    daemon.start()
    daemon.wait_until(lambda: answers(daemon) and b"new.jpg" in daemon.found(pictures))
    assert daemon.worked()[1] == 0
    assert daemon.verify()["photos"] == 21
