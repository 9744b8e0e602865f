"""The daemon with its encoder behind ssh: a real sshd on loopback stands for the other machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipd.cli.far_setup import ssh_to
from tests import processes
from tests.daemon import album
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.encode.far_machine import FarMachine
from tests.encode.sshd import Sshd, needs_sshd

pytestmark = [pytest.mark.slow, needs_sshd]

PHOTOS = 6


@dataclass(frozen=True, slots=True)
class Pair:
    """A daemon, and the machine that encodes for it."""

    daemon: Daemon
    root: Path
    sshd: Sshd
    machine: FarMachine

    def save(self, name: str, scene: str = "sunset") -> None:
        album.save(self.root / name, album.new(scene))

    def switch_off(self) -> None:
        """Let the machine lose its power: nothing is answered, and nothing is said any more."""
        self.sshd.stop()
        for each in self.sessions():
            os.kill(each, signal.SIGKILL)
        self.machine.signal_all(signal.SIGKILL)

    def sessions(self) -> list[int]:
        """Return the encoders that run on the machine."""
        found = (processes.look(int(name)) for name in os.listdir("/proc") if name.isdigit())
        home = os.fsencode(self.sshd.home)
        return [
            each.pid
            for each in found
            if each and "-m clipd encoder" in each.command and home in _environment(each.pid)
        ]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def ssh_config(sshd: Sshd, host: str) -> list[str]:
    """Return the command that the unit would run, with the configuration of the test."""
    program, *words = ssh_to(host)
    return [program, "-F", os.fspath(sshd.folder / "ssh_config"), *words]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home on the other machine, where the model is converted once for all tests."""
    return tmp_path_factory.mktemp("desktop")


@pytest.fixture
def sshd(tmp_path: Path, home: Path) -> Iterator[Sshd]:
    sshd = Sshd(tmp_path / "ssh", home)
    yield sshd
    sshd.stop()


@pytest.fixture
def pair(daemons: Daemons, sshd: Sshd, tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as running:
        root = tmp_path / "root"
        root.mkdir()
        daemon = daemons.new([root])
        machine = running.enter_context(
            FarMachine(daemon.runtime, sshd.home, ssh_config(sshd, "desktop"))
        )
        daemon.configure([root], f"[encoder]\nsocket = {json.dumps(str(machine.address))}\n")
        pair = Pair(daemon, root, sshd, machine)
        daemon.start()
        yield pair


def test_photos_and_queries_are_encoded_behind_ssh_and_nothing_here(pair: Pair) -> None:
    daemon = pair.daemon
    for number in range(PHOTOS):
        pair.save(f"{number}.jpg")

    daemon.wait_until(lambda: daemon.status()["photos"] == PHOTOS)
    daemon.wait_found(pair.root, [f"{number}.jpg" for number in range(PHOTOS)])

    assert daemon.status()["encoder"]["far"] == "desktop"
    assert not [one for one in daemon.family() if "encode_worker" in one.command]
    assert b"on desktop" in daemon.ctl("status").stdout
    assert daemon.verify()["ok"]
    took = daemon.stop()
    assert took < 10
    end = time.monotonic() + 60
    while pair.sessions():
        assert time.monotonic() < end, "an encoder was left behind on the other machine"


def test_while_it_is_away_photos_wait_and_known_queries_are_answered(pair: Pair) -> None:
    daemon = pair.daemon
    pair.save("known.jpg")
    daemon.wait_found(pair.root, ["known.jpg"])
    daemon.wait_until(lambda: daemon.ctl("search", "sunset", ok=False).returncode == 0)

    pair.switch_off()
    for number in range(PHOTOS):
        pair.save(f"{number}.jpg", "a red car")
    daemon.wait_until(lambda: daemon.status()["encoder"]["state"] == "away")

    def problems() -> list[str]:
        return [each for each in daemon.status()["problems"] if "desktop" in each]

    # After the connection that broke, ssh says in its own words why there is no new one.
    daemon.wait_until(lambda: "Connection refused" in str(problems()), what=problems)
    assert len(problems()) == 1
    assert "desktop away since" in problems()[0]
    said_of_state = daemon.ctl("status").stdout
    assert b"desktop away since" in said_of_state
    assert b"new photos wait for desktop" in said_of_state
    assert b" left" not in said_of_state
    assert {os.path.basename(path) for path in daemon.found(pair.root)} == {b"known.jpg"}
    begun = time.monotonic()
    code, answer = daemon.request("GET", "/v1/search?q=something+new&anyway=true")
    assert time.monotonic() - begun < 5  # 1.5 s, and 6 where it is not away
    assert (code, answer["error"]["code"]) == (503, "encoder_away")
    assert "desktop away since" in answer["error"]["message"]
    said = daemon.ctl("search", "something", "new", ok=False)
    assert said.returncode == 4
    assert b"desktop away since" in said.stderr
    assert daemon.errors() == {}

    pair.sshd.start()

    names = [f"{number}.jpg" for number in range(PHOTOS)]
    daemon.wait_found(pair.root, ["known.jpg", *names])
    daemon.wait_until(lambda: not daemon.status()["problems"])
    assert daemon.errors() == {}
    assert daemon.status()["encoder"]["away_since"] is None


def test_an_encoder_killed_over_photos_costs_no_photo(pair: Pair) -> None:
    daemon = pair.daemon
    for number in range(40):
        pair.save(f"{number}.jpg", ("sunset", "a red car", "beach")[number % 3])
    daemon.wait_until(pair.sessions)
    for each in pair.sessions():
        os.kill(each, signal.SIGKILL)

    daemon.wait_until(lambda: daemon.status()["photos"] == 40)
    daemon.wait_found(pair.root, [f"{number}.jpg" for number in range(40)])
    assert daemon.errors() == {}
    assert daemon.verify()["ok"]


def test_another_version_there_is_refused_in_words(pair: Pair) -> None:
    old = 'sh -c \'printf "\\0clipd encoder 1 {\\"version\\": \\"0.0.9\\"}\\n"; exec cat\''
    pair.sshd.have_clipd(old)
    try:
        pair.save("a.jpg")
        pair.daemon.wait_until(
            lambda: any(
                "desktop has clipd 0.0.9, this is" in each
                for each in pair.daemon.status()["problems"]
            )
        )
        said = pair.daemon.ctl("search", "something", "new", ok=False)
        assert b"desktop has clipd 0.0.9" in said.stderr
    finally:
        pair.sshd.have_clipd(Sshd.CLIPD)
    pair.daemon.wait_until(lambda: pair.daemon.status()["photos"] == 1)
    pair.daemon.wait_found(pair.root, ["a.jpg"])


def test_two_daemons_use_one_machine(pair: Pair, daemons: Daemons, tmp_path: Path) -> None:
    root = tmp_path / "other"
    other = daemons.new([root], f"[encoder]\nsocket = {json.dumps(str(pair.machine.address))}\n")
    root.mkdir()
    other.start()
    for number in range(PHOTOS):
        pair.save(f"{number}.jpg")
        shutil.copy(pair.root / f"{number}.jpg", root / f"{number}.jpg")

    names = [f"{number}.jpg" for number in range(PHOTOS)]
    pair.daemon.wait_found(pair.root, names)
    other.wait_found(root, names)
    assert len(pair.sessions()) == 2
