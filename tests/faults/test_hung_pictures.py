"""Pictures in the terminal of a drive whose server does not answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal
from tests.ctl.screen import Screen
from tests.daemon import album
from tests.daemon.conftest import Daemons
from tests.daemon.wire import wait_until
from tests.faults.hung_mount import drive

pytestmark = [pytest.mark.slow, pytest.mark.faults]
_CONFIG = '[watch]\nscan_every = "2s"\npoll_every = "2s"'


def test_a_drive_that_hangs_holds_a_list_for_seconds_and_then_only_its_own_pictures(
    daemons: Daemons, root: Path, tmp_path: Path
) -> None:
    for folder, names in ((root, "abc"), (tmp_path / "nas", "defghijk")):
        for name in names:
            album.save(folder / f"{name}.jpg", album.new())
    with drive(tmp_path / "mount", tmp_path / "nas") as nas:
        daemon = daemons.new([root, nas.mount_point], _CONFIG).start()
        daemon.wait_until(lambda: len(daemon.search()) == 11)
        ctl = Ctl(daemon.socket)

        def listed() -> Screen:
            terminal = DrawingTerminal(80, 80)
            screen = terminal.run(ctl, "clipctl search sunset --anyway", TERM="xterm-kitty")
            assert len(screen.places_of(".jpg")) == 11
            assert len(screen.pictures) + screen.text().count("┌") == 11
            return screen

        nas.hang()
        began = time.monotonic()
        listed()
        assert time.monotonic() - began < 12

        # What waits for the drive is given up in a while, and it is known to be stalled.
        wait_until(lambda: len(listed().pictures) == 3, 120)
        assert "its drive is" in listed().text()
        nas.answer()
        daemon.stop()
