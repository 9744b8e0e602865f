"""Decoders and the encoder die, hang and rest; the daemon goes on."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from clipd.search.reference_texts import REFERENCE_TEXTS
from tests import processes
from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.daemon.wire import wait_until

pytestmark = pytest.mark.slow

CONFIG = """
[decoder]
timeout = "2s"
[encoder]
idle_unload = "3s"
"""


@pytest.fixture(scope="module")
def daemon(
    module_daemons: Daemons, seed: FirstCrawl, tmp_path_factory: pytest.TempPathFactory
) -> Daemon:
    """A daemon whose encoder soon falls asleep and whose decoders have little time."""
    root = tmp_path_factory.mktemp("children") / "root"
    return module_daemons.new([album.fill(root)], CONFIG, seed=seed).start()


@pytest.fixture
def folder(daemon: Daemon, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder in that daemon's root; the daemon is idle before and still the same after."""
    root = Path(daemon.status()["roots"][0]["path"])
    made = root / str(request.node.name)
    made.mkdir()
    daemon.wait_idle()
    pid = daemon.pid
    yield made
    assert daemon.status()["pid"] == pid


def _child(daemon: Daemon, word: str) -> processes.Process | None:
    """A running child of that kind, if there is one."""
    running = [one for one in daemon.family() if word in one.command and not one.is_zombie]
    return running[0] if running else None


def _signal_one(daemon: Daemon, word: str, what: signal.Signals) -> None:
    caught: list[processes.Process] = []

    def catch() -> bool:
        child = _child(daemon, word)
        if child is None or (not _is_sealed(child) and word == "clipd.decode"):
            return False
        os.kill(child.pid, what)
        caught.append(child)
        return True

    daemon.wait_until(catch, what=f"a {word} child to signal")
    assert len(caught) == 1


def _is_sealed(child: processes.Process) -> bool:
    """Whether a decoder has started and gone into its sandbox."""
    try:
        status = Path(f"/proc/{child.pid}/status").read_text()
    except OSError:
        return False
    return "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status


def _encoder_state(daemon: Daemon) -> str:
    return str(daemon.status()["encoder"]["state"])


def _save_many(folder: Path, count: int) -> list[str]:
    names = [f"{number}.jpg" for number in range(count)]
    for name in names:
        album.save(folder / name, album.new())
    return names


def _failed(daemon: Daemon, folder: Path) -> set[bytes]:
    return {path for path in daemon.errors() if path.startswith(os.fsencode(folder))}


def test_a_decoder_killed_at_work_costs_no_photo(daemon: Daemon, folder: Path) -> None:
    names = _save_many(folder, 100)
    _signal_one(daemon, "clipd.decode", signal.SIGKILL)

    daemon.wait_found(folder, names)
    assert not _failed(daemon, folder)


def test_a_decoder_that_hangs_is_replaced(daemon: Daemon, folder: Path) -> None:
    _save_many(folder / "first", 10)
    _signal_one(daemon, "clipd.decode", signal.SIGSTOP)
    _save_many(folder / "then", 50)

    daemon.wait_until(lambda: len(daemon.found(folder)) == 60, what="all are found")
    assert not _failed(daemon, folder)
    wait_until(lambda: not _is_stopped(daemon), what="the one that hung is gone")


def _is_stopped(daemon: Daemon) -> bool:
    return any(one.is_stopped for one in daemon.family())


def test_an_encoder_killed_at_work_costs_no_photo(daemon: Daemon, folder: Path) -> None:
    names = _save_many(folder, 60)
    daemon.wait_until(lambda: _encoder_state(daemon) != "asleep", what="the encoder is needed")
    _signal_one(daemon, "clipd.encode", signal.SIGKILL)

    daemon.wait_found(folder, names)
    assert not _failed(daemon, folder)
    daemon.verify()


def test_the_encoder_leaves_when_it_is_not_needed_and_comes_back(
    daemon: Daemon, folder: Path
) -> None:
    album.save(folder / "a.jpg", album.new())
    daemon.wait_found(folder, ["a.jpg"])

    daemon.wait_until(lambda: _encoder_state(daemon) == "asleep", what="asleep")
    wait_until(lambda: not _child(daemon, "clipd.encode"), what="its process is gone")
    best = daemon.search("rainbow", n=1)  # a query of words that it has not seen

    assert os.path.basename(best[0]["path"]) == "rainbow.jpg"


def test_a_query_for_a_stopped_encoder_is_answered_or_refused_soon_and_the_status_tells(
    daemon: Daemon, folder: Path
) -> None:
    daemon.search("forest path")  # wakes it
    _signal_one(daemon, "clipd.encode", signal.SIGSTOP)
    ask = partial(daemon.request, "GET", "/v1/search?q=a+castle+at+night")
    with ThreadPoolExecutor(1) as pool:
        asked_at = time.monotonic()
        query = pool.submit(ask)
        daemon.wait_until(
            lambda: any("does not answer for" in one for one in daemon.status()["problems"]),
            what="the status tells",
        )
        code, answer = query.result()
        waited = time.monotonic() - asked_at

    # A sentence where a new start takes more than some seconds.
    assert code == 200 or "ask again in a moment" in answer["error"]["message"]
    assert waited < 60  # 11 s at most where nothing else runs
    daemon.wait_until(lambda: ask()[0] == 200, what="a new encoder answers")


def test_a_known_query_needs_no_encoder(daemon: Daemon, folder: Path) -> None:
    daemon.wait_until(lambda: _encoder_state(daemon) == "asleep", what="asleep")

    assert daemon.search("sunset")

    assert _encoder_state(daemon) == "asleep"


def test_decoders_are_locked_in(daemon: Daemon, folder: Path) -> None:
    _save_many(folder, 10)

    def is_sealed() -> bool:
        child = _child(daemon, "clipd.decode")
        return child is not None and _is_sealed(child)

    daemon.wait_until(is_sealed, what="a decoder under seccomp")
    assert daemon.status()["sandbox"]["seccomp"] is True


def test_the_first_query_of_a_new_library_finds_its_reference_texts_encoded(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = tmp_path / "new"
    root.mkdir()
    daemon = daemons.new([root])
    prepared = Path("clipd", "compiled")  # the model, but nothing of the library
    shutil.copytree(seed.cache / prepared, daemon.home / "cache" / prepared)
    daemon.start()
    file = daemon.state_folder() / "catalog.sqlite"

    def remembered() -> int:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM text_vectors").fetchone()[0])

    assert daemon.search("sunset") == []  # its vector is remembered from now on
    album.fill(root)
    daemon.wait_until(lambda: remembered() == len(REFERENCE_TEXTS) + 1, what="texts are encoded")
    assert "what scores mean was learnt" not in daemon.log()
    first = daemon.search("sunset")[0]  # takes no child, and is judged all the same
    assert first["score"] != first["raw"]
    daemon.wait_until_logged("what scores mean was learnt")
