"""The disk of the catalog is full, out of inodes or read-only, at whatever moment.

Searches go on, status says it, and nobody has to start anything again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.oracle import assert_agreement, disk
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_KNOWN = 20
_NEW = 120


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SmallDisk]:
    """The disk that the daemon keeps its state on."""
    with small_disk(tmp_path / "state", "size=48m,nr_inodes=2000") as made:
        yield made


@pytest.fixture
def daemon(state: SmallDisk, daemons: Daemons, root: Path) -> Daemon:
    """A daemon that knows some photos and runs."""
    _save(root, range(_KNOWN))
    made = daemons.new([root], environment={"XDG_STATE_HOME": str(state.folder)}).start()
    made.wait_until(lambda: made.status()["encoded"] == _KNOWN, what="all known")
    made.search("sunset")
    made.wait_idle()
    return made


def _save(root: Path, numbers: range) -> None:
    for number in numbers:
        (root / f"{number}.bmp").write_bytes(picture(number))


def _assert_answers(daemon: Daemon) -> None:
    """Insist on answers from what is known; to remember a query is another kind of write."""
    assert len(daemon.search("sunset")) >= _KNOWN - 1
    assert len(daemon.search("a text that was never asked for before")) >= _KNOWN - 1
    assert daemon.ctl("status").returncode == 0


def _wait_told(daemon: Daemon) -> None:
    daemon.wait_until(lambda: daemon.status()["problems"], what="a problem is told")
    problems = daemon.status()["problems"]
    assert len(problems) == len(set(problems)), problems


def _assert_recovers(daemon: Daemon, root: Path, pid: int) -> None:
    assert_agreement(daemon, disk(root), seconds=120)
    daemon.wait_until(lambda: not daemon.status()["problems"], what="no problem is left")
    assert daemon.pid == pid
    assert "Traceback" not in daemon.log()
    daemon.stop()


_WAYS: dict[str, tuple[Callable[[SmallDisk], None], Callable[[SmallDisk], None]]] = {
    "no room": (SmallDisk.fill, SmallDisk.empty),
    "8 KiB left": (lambda disk: disk.fill(8192), SmallDisk.empty),
    "no inodes": (SmallDisk.take_inodes, SmallDisk.empty),
}


@pytest.mark.parametrize("way", _WAYS)
def test_a_disk_that_gives_out_while_it_runs_stops_no_answer(
    daemon: Daemon, state: SmallDisk, root: Path, way: str
) -> None:
    spoil, mend = _WAYS[way]
    pid = daemon.pid

    spoil(state)
    _save(root, range(100, 100 + _NEW))
    (root / "0.bmp").unlink()
    if way != "no inodes":  # the log of changes needs room, and no inode
        _wait_told(daemon)
    _assert_answers(daemon)
    mend(state)

    _assert_recovers(daemon, root, pid)


@pytest.mark.parametrize("way", [*_WAYS, "read-only"])
def test_a_start_without_a_disk_to_write_on_answers_and_recovers(
    daemon: Daemon, state: SmallDisk, root: Path, way: str
) -> None:
    spoil, mend = _WAYS.get(way, (SmallDisk.forbid_writing, SmallDisk.allow_writing))
    daemon.stop()
    _save(root, range(100, 110))

    spoil(state)
    daemon.start()
    pid = daemon.pid
    _assert_answers(daemon)
    if way != "no inodes":
        _wait_told(daemon)
    mend(state)

    _assert_recovers(daemon, root, pid)


@pytest.mark.parametrize("way", _WAYS)
def test_a_stop_without_a_disk_to_write_on_is_clean(
    daemon: Daemon, state: SmallDisk, root: Path, way: str
) -> None:
    spoil, mend = _WAYS[way]
    (root / "0.bmp").unlink()
    _save(root, range(100, 110))
    assert_agreement(daemon, disk(root))

    spoil(state)
    daemon.stop()  # it would save the index now
    mend(state)

    daemon.start()
    assert_agreement(daemon, disk(root))
    daemon.stop()


@pytest.mark.parametrize("way", _WAYS)
def test_a_backup_that_cannot_be_made_is_told_and_made_later(
    daemon: Daemon, state: SmallDisk, root: Path, way: str
) -> None:
    spoil, mend = _WAYS[way]
    daemon.stop()
    for old in state.folder.rglob("backup*"):
        old.unlink()
    spoil(state)
    daemon.configure([root], '[store]\nbackup_every = "2s"')

    daemon.start()
    pid = daemon.pid
    _wait_told(daemon)
    _assert_answers(daemon)
    mend(state)

    daemon.wait_until(lambda: list(state.folder.rglob("backup.sqlite")), what="a backup")
    _assert_recovers(daemon, root, pid)
