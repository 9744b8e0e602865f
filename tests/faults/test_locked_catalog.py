"""Another program holds the lock of the catalog for longer than anybody would wait."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.daemon.harness import Daemon
from tests.faults.oracle import assert_agreement, catalog_file, disk
from tests.faults.pictures import picture

pytestmark = pytest.mark.slow

_HELD_SECONDS = 40.0  # SQLite's own wait for a lock, as clipd sets it, is 30 s


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _known(daemon: Daemon, root: Path) -> None:
    for number in range(10):
        (root / f"{number}.bmp").write_bytes(picture(number))
    daemon.start()
    assert_agreement(daemon, disk(root))


def _assert_answers_for(daemon: Daemon, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert daemon.is_running(), daemon.log()[-3000:]
        assert len(daemon.search("sunset")) == 10
        threading.Event().wait(0.5)  # a patient client, not a storm


def test_a_catalog_locked_by_another_program_stops_nothing_but_writes(
    daemon: Daemon, root: Path
) -> None:
    _known(daemon, root)
    pid = daemon.pid

    with _locked(catalog_file(daemon)):
        (root / "new.bmp").write_bytes(picture(50))
        _assert_answers_for(daemon, _HELD_SECONDS)
        daemon.wait_until(lambda: daemon.status()["problems"], what="it is told")

    assert_agreement(daemon, disk(root))
    assert daemon.pid == pid
    daemon.wait_until(lambda: not daemon.status()["problems"], what="no problem is left")
    daemon.stop()


def test_a_start_while_the_catalog_is_locked_answers_and_recovers(
    daemon: Daemon, root: Path
) -> None:
    _known(daemon, root)
    daemon.stop()
    (root / "new.bmp").write_bytes(picture(50))

    with _locked(catalog_file(daemon)):
        daemon.start()
        _assert_answers_for(daemon, 5)

    assert_agreement(daemon, disk(root))
    daemon.stop()


def test_a_stop_while_the_catalog_is_locked_is_clean(daemon: Daemon, root: Path) -> None:
    _known(daemon, root)

    with _locked(catalog_file(daemon)):
        (root / "new.bmp").write_bytes(picture(50))
        daemon.stop()

    daemon.start()
    assert_agreement(daemon, disk(root))
    daemon.stop()
