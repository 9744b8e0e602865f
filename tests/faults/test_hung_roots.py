"""One root lies on a drive whose server does not answer: only that root is harmed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from clipd.daemon.instance import single_instance
from clipd.errors import AlreadyRunningError
from tests.daemon.commands import program
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.daemon.wire import wait_until
from tests.faults.hung_mount import drive
from tests.faults.oracle import assert_agreement, disk
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]

# Slow on purpose: a drive has to be silent for a while before clipd may call it stalled.
_NOTICED_SECONDS = 120.0
_CONFIG = '[watch]\nscan_every = "2s"\npoll_every = "2s"'


def _fill(folder: Path, first: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + 6):
        (folder / f"{number}.bmp").write_bytes(picture(number))


def _state(daemon: Daemon, root: Path) -> str:
    return daemon.root_states()[str(root)]


def _wait_state(daemon: Daemon, root: Path, state: str) -> None:
    daemon.wait_until(
        lambda: _state(daemon, root) == state, _NOTICED_SECONDS, what=f"{root} {state}"
    )


def test_a_root_that_hangs_harms_only_itself_and_recovers(
    daemons: Daemons, root: Path, tmp_path: Path
) -> None:
    _fill(root, 0)
    _fill(tmp_path / "nas", 100)
    with drive(tmp_path / "mount", tmp_path / "nas") as nas:
        daemon = daemons.new([root, nas.mount_point], _CONFIG).start()
        both = disk(root, nas.mount_point)
        assert_agreement(daemon, both)

        nas.hang()
        _wait_state(daemon, nas.mount_point, "stalled")
        assert str(nas.mount_point).encode() in daemon.ctl("status").stdout
        (root / "new.bmp").write_bytes(picture(50))
        daemon.wait_found(root, [*(f"{n}.bmp" for n in range(6)), "new.bmp"])
        (root / "0.bmp").unlink()
        daemon.ctl("rescan", str(root))
        daemon.wait_found(root, [*(f"{n}.bmp" for n in range(1, 6)), "new.bmp"])
        # its photos stay, marked: nobody said that they were deleted
        hits = [hit for hit in daemon.search() if hit["path"].startswith(f"{nas.mount_point}/")]
        assert len(hits) == 6
        assert {hit["offline"] for hit in hits} == {True}

        (nas.backing / "late.bmp").write_bytes(picture(200))
        nas.answer()
        # A drive that announces no changes is never better than degraded: it is scanned instead.
        _wait_state(daemon, nas.mount_point, "degraded")
        assert_agreement(daemon, disk(root, nas.mount_point))
        daemon.stop()


def test_a_root_that_hangs_while_its_photos_are_read_harms_only_itself(
    daemons: Daemons, root: Path, tmp_path: Path
) -> None:
    _fill(root, 0)
    _fill(tmp_path / "nas", 100)
    for number in range(200):
        _fill(tmp_path / "nas" / f"{number}", 1000 + 6 * number)
    with drive(tmp_path / "mount", tmp_path / "nas") as nas:
        daemon = daemons.new([root, nas.mount_point], _CONFIG).start()
        daemon.wait_until(lambda: daemon.status()["encoded"] > 20, what="work has begun")

        nas.hang()
        _wait_state(daemon, nas.mount_point, "stalled")
        (root / "new.bmp").write_bytes(picture(50))
        daemon.wait_found(root, [*(f"{n}.bmp" for n in range(6)), "new.bmp"])
        nas.answer()

        assert_agreement(daemon, disk(root, nas.mount_point))


@pytest.mark.parametrize("is_silent", [False, True])
def test_with_a_hung_root_it_ends_at_sigterm_and_starts_again(
    daemons: Daemons, root: Path, tmp_path: Path, is_silent: bool
) -> None:
    _fill(root, 0)
    _fill(tmp_path / "nas", 100)
    daemon = daemons.new([root, tmp_path / "mount"], _CONFIG)
    with drive(tmp_path / "mount", tmp_path / "nas") as nas:
        daemon.start()
        assert_agreement(daemon, disk(root, nas.mount_point))
        nas.hang()
        begun = time.monotonic()
        daemon.stop()
        assert time.monotonic() - begun < 10
        nas.answer()

    with drive(tmp_path / "mount", tmp_path / "nas", silent=is_silent) as nas:
        nas.hang()
        daemon.start()
        _wait_state(daemon, nas.mount_point, "stalled")
        names = {f"{number}.bmp" for number in range(6)}
        assert daemon.found(root) == {os.fsencode(name) for name in names}
        assert len(daemon.found(nas.mount_point)) == 6
        (root / "new.bmp").write_bytes(picture(50))
        daemon.wait_found(root, [*names, "new.bmp"])
        daemon.stop()


def test_a_stop_while_photos_of_a_hung_root_are_open_makes_way_for_a_new_start(
    daemons: Daemons, root: Path, tmp_path: Path
) -> None:
    _fill(root, 0)
    (tmp_path / "nas").mkdir()
    for number in range(100):
        _fill(tmp_path / "nas" / f"{number}", 1000 + 6 * number)
    with drive(tmp_path / "mount", tmp_path / "nas") as nas:
        daemon = daemons.new([root, nas.mount_point], _CONFIG).start()
        daemon.wait_until(lambda: daemon.status()["encoded"] > 20, what="work has begun")
        nas.hang()
        daemon.process.send_signal(signal.SIGTERM)
        # The process itself may have to wait: the kernel closes its files when it ends.
        wait_until(lambda: _is_free(daemon), 10, what="the lock of the state folder is free")
        nas.answer()
        assert daemon.process.wait(20) == 0


def _is_free(daemon: Daemon) -> bool:
    try:
        with single_instance(daemon.state_folder() / "lock"):
            return True
    except AlreadyRunningError:
        return False


def test_a_root_that_hangs_while_it_is_verified_harms_only_itself(
    daemons: Daemons, root: Path, tmp_path: Path
) -> None:
    _fill(root, 0)
    (tmp_path / "nas").mkdir()
    for number in range(10):
        _fill(tmp_path / "nas" / f"{number}", 1000 + 6 * number)
    with drive(tmp_path / "mount", tmp_path / "nas") as nas:
        daemon = daemons.new([root, nas.mount_point], _CONFIG).start()
        assert_agreement(daemon, disk(root, nas.mount_point))
        command = [*program("clipd.ctl.command"), "verify", "--disk", "--deep"]
        with subprocess.Popen(
            command,
            env=daemon.environment_of(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as check:
            nas.hang()
            _wait_state(daemon, nas.mount_point, "stalled")
            (root / "new.bmp").write_bytes(picture(50))
            daemon.wait_found(root, [*(f"{n}.bmp" for n in range(6)), "new.bmp"])
            check.communicate(timeout=_NOTICED_SECONDS)  # it ends while the drive hangs
        nas.answer()
        assert_agreement(daemon, disk(root, nas.mount_point))
        daemon.stop()
