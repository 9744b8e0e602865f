"""Killed amid changes of the model: one of both answers, and in the end the configured one does."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from clipd.encode.presets import IN_THE_BOX
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.encode.conftest import save_model, small_weights
from tests.faults.dice import rounds
from tests.faults.oracle import differences, disk, verify
from tests.faults.wild import Wild

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_LONGEST_LIFE_SECONDS = 6.0


def test_killed_amid_changes_of_the_model_it_comes_to_their_end(
    daemons: Daemons, root: Path, tmp_path: Path, dice: random.Random
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    wild = Wild(root, outside, dice)
    wild.change(60)
    daemon = daemons.new([root])
    folders = f'[[roots]]\npath = "{root}"\n'
    own = f'name = "own"\ncheckpoint = "{save_model(tmp_path / "own", small_weights())}"'
    tables = {"own": own, IN_THE_BOX: f'name = "{IN_THE_BOX}"'}
    daemon.start().wait_idle()

    for number in range(rounds(20)):
        wanted = ("own", IN_THE_BOX)[number % 2]
        daemon.file.write_text(f"[encoder]\nbatch = 2\n[model]\n{tables[wanted]}\n{folders}")
        daemon.reload()
        wild.change(dice.randrange(20))
        threading.Event().wait(dice.uniform(0, _LONGEST_LIFE_SECONDS))
        daemon.kill()
        wild.change(dice.randrange(10))
        daemon.start()
        assert daemon.status()["model"]["name"] in tables
        daemon.search("beach")
        wild.come_to_rest()
        if number % 4 == 3:  # in between, changes are changed before they have come to their end
            daemon.ctl("rescan")
            _await_agreement(daemon, root)
            model = daemon.wait_idle()["model"]
            assert (model["name"], model["photos"], model["next"]) == (wanted, model["of"], None)
            verify(daemon)
    daemon.stop()


def _await_agreement(daemon: Daemon, root: Path) -> None:
    expected = disk(root)
    daemon.wait_until(lambda: not differences(daemon, expected), 60, what="agreement")
