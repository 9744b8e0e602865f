"""Stopped, killed, started again: what was true stays true."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon, NotReadyError
from tests.daemon.wire import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of the seed pictures."""
    return album.fill(tmp_path / "root")


def test_a_start_on_known_photos_encodes_none_of_them(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()

    daemon.wait_found(root, album.SEED)
    status = daemon.wait_idle()

    assert (status["decoded"], status["encoded"]) == (0, 0)
    assert status["encoder"]["state"] == "asleep"
    daemon.verify()


def test_changes_while_it_was_down_are_found_at_the_next_start(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.stop()

    (root / "cat.jpg").rename(root / "tom.jpg")
    (root / "beach.jpg").unlink()
    album.save(root / "new/forest.jpg", album.picture("forest"))
    album.save(root / "car.jpg", album.picture("night sky"))
    daemon.start()

    left = album.SEED.keys() - {"cat.jpg", "beach.jpg"}
    daemon.wait_found(root, [*left, "tom.jpg", "new/forest.jpg"])
    assert daemon.wait_idle()["encoded"] == 0
    daemon.verify()


def test_a_photo_keeps_its_story_through_kills_in_between(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    (root / "cat.jpg").rename(root / "a.jpg")
    rest = album.SEED.keys() - {"cat.jpg"}
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, ["a.jpg", *rest])
    daemon.kill()

    daemon.start()
    daemon.wait_found(root, ["a.jpg", *rest])
    (root / "a.jpg").rename(root / "b.jpg")
    daemon.wait_found(root, ["b.jpg", *rest])
    daemon.kill()

    daemon.start()
    daemon.wait_found(root, ["b.jpg", *rest])
    (root / "b.jpg").unlink()
    daemon.wait_found(root, rest)
    daemon.kill()

    daemon.start()
    daemon.wait_found(root, rest)
    assert daemon.worked() == (0, 0)
    daemon.verify()


def _has_encoded(daemon: Daemon, count: int) -> bool:
    return bool(daemon.status()["encoded"] >= count)


def test_kills_while_busy_lose_nothing_and_leave_nothing_running(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    names = list(album.SEED)
    for burst, encoded in enumerate((1, 30)):
        for number in range(60):
            names.append(f"{burst}/{number}.jpg")
            album.save(root / names[-1], album.new())
        # at the first vector, then in the middle
        daemon.wait_until(partial(_has_encoded, daemon, encoded), what="busy")
        daemon.kill()
        wait_until(lambda: not daemon.orphans(), what="its children are gone")
        daemon.start()

    daemon.wait_found(root, names)
    daemon.wait_idle()
    daemon.verify()


def test_sigterm_while_busy_leaves_in_time_and_the_rest_is_done_later(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    names = [f"{number}.jpg" for number in range(150)]
    for name in names:
        album.save(root / name, album.new())
    daemon.wait_until(lambda: daemon.status()["encoded"], what="the first is encoded")

    assert daemon.stop() < 10
    assert "STOPPING=1" in daemon.notes.drain()
    daemon.start()

    daemon.wait_found(root, [*names, *album.SEED])
    daemon.wait_idle()
    daemon.verify()


def test_a_stale_socket_is_taken_over(daemons: Daemons, seed: FirstCrawl, root: Path) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.kill()
    assert stat.S_ISSOCK(daemon.socket.stat().st_mode)

    daemon.start()

    daemon.ctl("ping")
    daemon.stop()
    assert not daemon.socket.exists()


def test_a_second_instance_is_refused_and_the_first_goes_on(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()

    second = daemon.clipd("run", "--config", str(daemon.file))

    assert second.returncode == 4
    assert b"already" in second.stderr
    assert b"Traceback" not in second.stderr
    daemon.ctl("ping")
    daemon.wait_found(root, album.SEED)


_ASK = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
client.connect(sys.argv[1])
client.sendall(b"GET /v1/status HTTP/1.1\\r\\nHost: clipd\\r\\n\\r\\n")
print(client.recv(9999))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_at_the_socket_is_refused(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()

    def answer() -> str:
        stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        # not the virtual environment's Python: that may lie where a stranger cannot go
        words = [*stranger, os.path.realpath(sys.executable), "-I", "-c", _ASK, str(daemon.socket)]
        done = subprocess.run(words, capture_output=True, check=False, timeout=60, cwd="/")
        return (done.stdout + done.stderr).decode()

    assert "PermissionError" in answer()
    for path in (daemon.runtime, daemon.socket.parent, daemon.socket):
        path.chmod(0o777)  # even when the folders would let them in
    refused = answer()
    assert '"pid"' not in refused
    assert re.search("40[13]|Broken pipe|reset|b''", refused), refused
    daemon.ctl("ping")


def test_sighup_adds_and_removes_roots_without_losing_anything(
    daemons: Daemons, seed: FirstCrawl, root: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (root / "cat.jpg").rename(other / "a.jpg")
    in_root = album.SEED.keys() - {"cat.jpg"}
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, in_root)
    pid = daemon.pid

    def reload(*roots: Path) -> None:
        daemon.configure(roots)
        daemon.reload()
        assert set(daemon.root_states()) == {str(one) for one in roots}

    reload(root, other)
    daemon.wait_found(other, ["a.jpg"])
    reload(root)
    daemon.wait_found(other, [])
    reload(other, root)
    daemon.wait_found(other, ["a.jpg"])

    daemon.wait_found(root, in_root)
    assert daemon.worked() == (0, 0)
    assert daemon.status()["pid"] == pid
    album.save(other / "b.jpg", album.picture("beach"))  # it is watched as well
    daemon.wait_found(other, ["a.jpg", "b.jpg"])
    daemon.verify()


def test_sighup_with_a_wrong_config_keeps_the_old_one_and_says_why(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)

    daemon.configure([root], "[watch]\nsetle = 3")
    daemon.reload()

    assert "did you mean settle" in daemon.log()
    daemon.wait_found(root, album.SEED)
    assert daemon.root_states() == {str(root): "online"}


def test_work_goes_on_where_a_home_was_moved(
    daemons: Daemons, seed: FirstCrawl, root: Path, tmp_path: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.stop()
    moved = tmp_path / "moved"
    shutil.move(root, moved)

    daemon.configure([moved])
    daemon.start()

    daemon.wait_found(moved, album.SEED)
    assert daemon.wait_idle()["decoded"] == 0


def test_a_config_that_cannot_be_used_is_refused_before_ready(
    daemons: Daemons, tmp_path: Path
) -> None:
    daemon: Daemon = daemons.new([tmp_path], "[encoder]\nidle_unlod = '5s'")

    with pytest.raises(NotReadyError, match="idle_unload"):
        daemon.start()

    assert daemon.process.returncode == 2


def test_what_was_paused_is_paused_after_a_reload(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.ctl("pause")
    daemon.configure([root], "[decoder]\nprocesses = 1")  # takes a restart of the parts
    daemon.reload()
    assert daemon.status()["state"] == "paused"
    daemon.ctl("resume")
    daemon.wait_idle()


def test_a_reload_of_defaults_and_limits_restarts_nothing(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_found(root, album.SEED)
    daemon.search("a dog that wakes the model")
    children = {child.pid for child in daemon.family()}
    assert children

    daemon.configure([root], '[search]\nlimit = 2\n[serve]\ntimeout = "9s"')
    daemon.reload()

    _, answer = daemon.request("GET", "/v1/search?q=sunset&anyway=true")
    assert len(answer["hits"]) == 2
    assert {child.pid for child in daemon.family()} >= children
    assert daemon.log().count("clipd answers on") == 1


@pytest.mark.parametrize("round", range(3))
def test_a_stop_while_the_encoder_starts_leaves_no_traceback(
    daemons: Daemons, seed: FirstCrawl, root: Path, round: int
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_idle()
    with ThreadPoolExecutor(1) as asking:
        reply = asking.submit(daemon.request, "GET", "/v1/search?q=new+words")
        daemon.wait_until(
            lambda: daemon.status()["encoder"]["state"] == "starting" or reply.done(),
            what="the encoder starts",
        )
        threading.Event().wait(0.3 * round)  # another moment of its start each round
        daemon.stop()
        status, _ = reply.result()
    assert status in (200, 503)
    assert "Traceback" not in daemon.log()


def test_a_daemon_out_of_descriptors_says_so_once_and_recovers(
    daemons: Daemons, seed: FirstCrawl, root: Path
) -> None:
    daemon = daemons.new([root], seed=seed).start()
    daemon.wait_idle()
    before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (20, before[1]))
        for _ in range(70):
            sock = held.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(daemon.socket))
        album.save(root / "new.jpg", album.new())
        daemon.wait_until_logged("no connection can be taken")
        threading.Event().wait(5)  # of an outage, which is what is tested
        assert daemon.is_running()
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
    daemon.wait_found(root, [*album.SEED, "new.jpg"])
    assert not daemon.errors()
    assert daemon.log().count("no connection can be taken") == 1
    assert len(daemon.log().splitlines()) < 50
