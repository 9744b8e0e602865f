import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipd.daemon.instance import single_instance
from clipd.errors import AlreadyRunningError, StoreError

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


def test_a_folder_in_the_place_of_the_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with (
        pytest.raises(StoreError, match=r"lock: Is a directory; .* move away"),
        single_instance(tmp_path / "lock"),
    ):
        pass


@pytest.mark.parametrize("option", ["remount,ro", "remount,size=4k,nr_inodes=1"])
def test_a_disk_that_takes_no_file_can_be_locked_all_the_same(tmp_path: Path, option: str) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        subprocess.run(["mount", "-o", option, str(tmp_path)], check=True)
        lock = tmp_path / "lock"
        with (
            single_instance(lock),
            pytest.raises(AlreadyRunningError, match="pid unknown"),
            single_instance(lock),
        ):
            pass
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
