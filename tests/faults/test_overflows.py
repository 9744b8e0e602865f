"""Storms that overflow the kernel's queue of events: what it forgets, the scan finds."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons
from tests.faults.dice import rounds
from tests.faults.oracle import assert_agreement, disk
from tests.faults.wild import Wild
from tests.watch.conftest import InotifySetting, inotify_setting

__all__ = ["inotify_setting"]  # a fixture, used by its name

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.faults]

_QUEUE = 16  # events; the kernel's own default is 16,384
_MANY = 500  # files; copies of copies would double the tree with each storm


def test_after_storms_that_overflow_the_queue_nothing_is_missed(
    daemons: Daemons,
    root: Path,
    tmp_path: Path,
    dice: random.Random,
    inotify_setting: InotifySetting,
) -> None:
    inotify_setting("max_queued_events", _QUEUE)
    outside = tmp_path / "outside"
    outside.mkdir()
    wild = Wild(root, outside, dice)
    daemon = daemons.new([root]).start()
    daemon.wait_idle()

    for number in range(rounds(20)):
        wild.change(150)
        wild.come_to_rest()
        _thin_out(root)
        _copy_and_rename(root, outside, number)
        if wild.needs_scan:
            daemon.ctl("rescan")
        assert_agreement(daemon, disk(root), pictures=20)

    assert "overflow" in daemon.log()
    daemon.stop()


def _copy_and_rename(root: Path, outside: Path, number: int) -> None:
    """Copy the tree, and rename it while the copies are still being seen."""
    shutil.rmtree(outside)
    outside.mkdir()
    copied = shutil.copytree(root, outside / "copied")
    shutil.copytree(copied, root / f"{number}.tmp").rename(root / f"c{number}")
    for old in root.glob("c*"):
        if old.name != f"c{number}":
            shutil.rmtree(old)


def _thin_out(root: Path) -> None:
    """Remove the biggest trees until few enough files are left."""
    while len(_files(root)) > _MANY:
        trees = [path for path in root.iterdir() if path.is_dir()]
        shutil.rmtree(max(trees, key=lambda tree: len(_files(tree))))


def _files(below: Path) -> list[Path]:
    return [path for path in below.rglob("*") if path.is_file()]
