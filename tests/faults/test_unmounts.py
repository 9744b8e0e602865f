"""A root that is unmounted again and again, while photos are written to it and read from it."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons
from tests.faults.dice import rounds
from tests.faults.oracle import assert_agreement, disk
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]


def _mount(backing: Path, root: Path) -> None:
    words = ["mount", "--bind", str(backing), str(root)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("a folder has to be mounted, and that is not allowed here")


def _unmount(root: Path) -> None:
    subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_root_that_is_unmounted_under_load_loses_nothing(
    daemons: Daemons, root: Path, tmp_path: Path, dice: random.Random
) -> None:
    backing, other = tmp_path / "backing", tmp_path / "other"
    backing.mkdir()
    other.mkdir()
    (other / "other.bmp").write_bytes(picture(9999))
    for number in range(20):
        (backing / f"{number}.bmp").write_bytes(picture(number))
    _mount(backing, root)
    try:
        daemon = daemons.new([root, other], '[watch]\npoll_every = "1s"').start()
        assert_agreement(daemon, disk(root, other))
        for turn in range(rounds(36)):
            for number in range(dice.randrange(1, 30)):
                (backing / f"{turn} {number}.bmp").write_bytes(picture(1000 * turn + number))
            held = len(daemon.search())
            _unmount(root)
            daemon.wait_until(
                lambda: daemon.root_states()[str(root)] == "offline", what="it is offline"
            )
            assert len(daemon.search()) >= held, "photos were taken for deleted"
            _mount(backing, root)
            daemon.wait_until(
                lambda: daemon.root_states()[str(root)] == "online", what="it is online"
            )
        assert_agreement(daemon, disk(root, other), pictures=60)
        daemon.stop()
    finally:
        _unmount(root)
