import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipd.daemon.instance import single_instance
from clipd.errors import AlreadyRunningError

HOLDER = """
import pathlib, sys
from clipd.daemon.instance import single_instance
with single_instance(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_instance_is_refused_and_told_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        single_instance(lock),
        pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}"),
        single_instance(lock),
    ):
        pass


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunningError), single_instance(lock):
            pass
        holder.kill()
    with single_instance(lock):
        pass
