"""Killed at any moment, whatever happens to the tree: in the end the answers are the disk."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.faults.dice import rounds
from tests.faults.oracle import assert_agreement, differences, disk, verify
from tests.faults.wild import Wild

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_LONGEST_LIFE_SECONDS = 3.0
_PACE_SECONDS = 0.02  # between changes, so that a life sees dozens of them and not thousands


def obedient() -> tuple[str, ...]:
    """Words that make root obey the modes of files like anyone else."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root has to obey the modes of files, and there is no setpriv here")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.fixture
def wild(root: Path, tmp_path: Path, dice: random.Random) -> Wild:
    """What changes the tree."""
    outside = tmp_path / "outside"
    outside.mkdir()
    made = Wild(root, outside, dice)
    made.change(40)
    return made


@pytest.mark.parametrize("half", ["first", "second"])  # so that two cores share the rounds
def test_killed_at_random_moments_it_ends_with_what_the_disk_holds(
    daemons: Daemons, wild: Wild, dice: random.Random, half: str
) -> None:
    daemon = daemons.new([wild.root], prefix=obedient()).start()

    for number in range(rounds(50)):
        _live(wild, dice.uniform(0, _LONGEST_LIFE_SECONDS))
        daemon.kill()
        wild.change(dice.randrange(20))
        daemon.start()
        wild.change(dice.randrange(20))
        wild.come_to_rest()
        _assert_round(daemon, wild, number)

    assert_agreement(daemon, disk(wild.root), pictures=300)
    daemon.stop()


def _live(wild: Wild, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        wild.change()
        threading.Event().wait(_PACE_SECONDS)


def _assert_round(daemon: Daemon, wild: Wild, number: int) -> None:
    """Insist on agreement after one round, without the dear parts."""
    if wild.needs_scan:
        daemon.ctl("rescan")
        wild.needs_scan = False
    expected = disk(wild.root)
    daemon.wait_idle()
    try:
        daemon.wait_until(lambda: not differences(daemon, expected), 60, what="agreement")
    except BaseException as error:
        error.add_note(f"round {number}: {differences(daemon, expected)[:10]}")
        error.add_note(f"done last: {wild.done[-80:]}")
        raise
    if number % 5 == 0:
        daemon.wait_idle()
        verify(daemon)
