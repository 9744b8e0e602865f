from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clipd.process.child import Child
from clipd.process.spawner import spawning
from tests.daemon.commands import REPOSITORY
from tests.faults.hung_mount import drive

_PATIENCE_SECONDS = 60.0
_IDLE = "tests.process.idle_threads"


def _ready(child: Child) -> Child:
    assert child.lanes[0].receive(0) is not None
    return child


def _descriptors(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


@contextmanager
def _holder(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.process.hung_file_holder", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        cwd=REPOSITORY,
    ) as process:
        yield process


def _says(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _PATIENCE_SECONDS)
    return process.stdout.readline().strip() if ready else b"nothing"


@pytest.mark.slow
def test_a_child_starts_while_a_file_of_a_drive_that_hangs_is_open(tmp_path: Path) -> None:
    (tmp_path / "backing").mkdir()
    (tmp_path / "backing" / "file").write_bytes(b"x" * 10_000)
    with (
        drive(tmp_path / "mount", tmp_path / "backing") as nas,
        _holder(nas.mount_point / "file") as process,
    ):
        assert process.stdin is not None
        assert _says(process) == b"open"
        nas.hang()
        process.stdin.write(b"x")
        said = _says(process)
        nas.answer()  # else nothing ends the process if it failed
        assert said == b"started"


def test_a_child_holds_its_lanes_and_nothing_else_of_ours() -> None:
    with spawning(), open(os.devnull) as late, _ready(Child(_IDLE)) as child:
        os.set_inheritable(late.fileno(), True)  # as a careless library might
        with _ready(Child(_IDLE)) as second:
            for one in (child, second):
                held = _descriptors(one.pid) - {0, 1, 2}
                assert {os.readlink(f"/proc/{one.pid}/fd/{fd}")[:7] for fd in held} == {"socket:"}
                assert len(held) == 1


def test_children_that_come_and_go_leave_no_descriptor_on_either_side() -> None:
    with spawning():
        seen = set()
        for _ in range(5):
            with _ready(Child(_IDLE)):
                thread = next(t for t in threading.enumerate() if t.name == "clipd-spawn")
                theirs = os.listdir(f"/proc/self/task/{thread.native_id}/fd")
                seen.add((frozenset(theirs), len(_descriptors(os.getpid()))))
        assert len(seen) == 1


def test_many_threads_may_start_children_at_once() -> None:
    statuses: list[int] = []

    def start_and_stop() -> None:
        with _ready(Child(_IDLE)) as child:
            pass
        statuses.append(child.kill())

    with spawning():
        threads = [threading.Thread(target=start_and_stop) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE_SECONDS)
    assert statuses == [0] * 6


def test_how_a_child_ended_is_told_as_for_any_process() -> None:
    with spawning():
        with _ready(Child(_IDLE)) as child:
            assert child.is_alive()
        assert child.stop() == 0
        killed = _ready(Child(_IDLE))
        assert killed.kill() == -signal.SIGKILL
        with Child("tests.process.no_such_module") as missing:
            assert missing.lanes[0].receive(0) is None
        assert missing.stop() == 1
