"""A disk that answers with EIO: on photos, on the catalog, when reading, writing, syncing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.faults.failing_files import Calls, FailingFiles
from tests.faults.oracle import assert_agreement, catalog, catalog_file, disk
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_KNOWN = 12


@pytest.fixture
def failing(tmp_path: Path) -> FailingFiles:
    """What makes files fail."""
    return FailingFiles(tmp_path)


@pytest.fixture
def daemon(daemons: Daemons, root: Path, failing: FailingFiles) -> Daemon:
    """A daemon that knows some photos and runs."""
    for number in range(_KNOWN):
        (root / f"{number}.bmp").write_bytes(picture(number))
    made = daemons.new([root], environment=failing.environment).start()
    assert_agreement(made, disk(root))
    return made


def _is_told(daemon: Daemon) -> bool:
    """Whether `clipctl status` says it: among the problems, or instead of all else."""
    code, answer = daemon.request("GET", "/v1/status")
    if code == 200:
        return bool(answer["problems"])
    assert answer["error"]["code"] == "storage_full", answer
    return "catalog" in answer["error"]["message"]


def _wait_failed(daemon: Daemon, failing: FailingFiles) -> None:
    daemon.wait_until(failing.failed, what="a call has failed")


def _assert_recovers(daemon: Daemon, root: Path, pid: int) -> None:
    assert_agreement(daemon, disk(root), seconds=120)
    daemon.wait_until(lambda: not daemon.status()["problems"], what="no problem is left")
    assert daemon.pid == pid
    daemon.stop()


def test_a_new_photo_that_cannot_be_read_is_listed_and_tried_again(
    daemon: Daemon, root: Path, failing: FailingFiles, tmp_path: Path
) -> None:
    new = tmp_path / "new.bmp"
    new.write_bytes(picture(100))
    failing.fail(Calls.READS, new)

    new.rename(root / "new.bmp")
    daemon.wait_until(lambda: bytes(root / "new.bmp") in daemon.errors(), what="it is listed")
    assert daemon.errors()[bytes(root / "new.bmp")]["kind"] == "unreadable"
    failing.heal()
    daemon.ctl("rescan")

    _assert_recovers(daemon, root, daemon.pid)


def test_a_known_photo_that_cannot_be_read_just_now_stays_a_photo(
    daemon: Daemon, root: Path, failing: FailingFiles
) -> None:
    before = catalog(daemon)[0]
    failing.fail(Calls.READS, root / "0.bmp", root / "1.bmp")

    for name in ("0.bmp", "1.bmp"):
        (root / name).touch()  # other times: its bytes have to be looked at again
    daemon.ctl("rescan")
    _wait_failed(daemon, failing)
    daemon.wait_idle()
    assert catalog(daemon)[0] == before
    assert len(daemon.search()) == _KNOWN
    failing.heal()
    daemon.ctl("rescan")

    _assert_recovers(daemon, root, daemon.pid)
    assert not catalog(daemon)[1], "a failure is left behind"


def test_photos_that_cannot_be_read_while_encoding_anew_stay_photos_and_come_back(
    daemon: Daemon, root: Path, failing: FailingFiles
) -> None:
    daemon.stop()
    _forget_vectors(daemon)
    failing.fail(Calls.READS, *(root / f"{number}.bmp" for number in range(4)))

    daemon.start()
    _wait_failed(daemon, failing)
    daemon.wait_until(lambda: len(daemon.search()) >= _KNOWN - 4, what="the others are found")
    assert len(catalog(daemon)[0]) == _KNOWN
    failing.heal()
    daemon.ctl("rescan")

    _assert_recovers(daemon, root, daemon.pid)


def _forget_vectors(daemon: Daemon) -> None:
    """Take all vectors from the catalog, as a change of the model would."""
    with closing(sqlite3.connect(catalog_file(daemon))) as connection:
        connection.execute("DELETE FROM vectors")
        connection.commit()


@pytest.mark.parametrize(
    "calls",
    [Calls.READS, Calls.WRITES, Calls.SYNCS, Calls.READS | Calls.WRITES | Calls.SYNCS],
    ids=["reads", "writes", "syncs", "all"],
)
def test_a_catalog_whose_disk_fails_for_a_while_ends_nothing(
    daemon: Daemon, root: Path, failing: FailingFiles, calls: Calls
) -> None:
    file = catalog_file(daemon)
    pid = daemon.pid
    failing.fail(calls, file, file.with_name(f"{file.name}-wal"))

    for number in range(100, 100 + 3 * _KNOWN):
        (root / f"{number}.bmp").write_bytes(picture(number))
    (root / "0.bmp").unlink()
    daemon.ctl("rescan")
    _wait_failed(daemon, failing)
    daemon.wait_until(lambda: _is_told(daemon), what="it is told")
    failing.heal()

    _assert_recovers(daemon, root, pid)
