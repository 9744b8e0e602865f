"""What a run on this machine leaves in the folder for temporary files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipd.bulk.ray_folder import ray_folder
from tests.processes import look

_HOLD = """
import os, pathlib, sys
from clipd.bulk.ray_folder import ray_folder
with ray_folder(pathlib.Path(sys.argv[1])) as folder:
    os.mkdir(os.path.join(folder, "session"))
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    command = [sys.executable, "-P", "-c", _HOLD, str(temporary)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().rstrip())
    assert look(process.pid) is None


def test_the_folder_of_a_run_goes_with_it(tmp_path: Path) -> None:
    with ray_folder(tmp_path) as folder:
        Path(folder, "session").mkdir()

    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_one(tmp_path: Path) -> None:
    with another_run(tmp_path) as (process, folder):
        process.kill()
    assert (folder / "session").is_dir()

    with ray_folder(tmp_path) as own:
        assert list(tmp_path.iterdir()) == [Path(own)]


def test_the_folder_of_a_run_that_goes_on_stays(tmp_path: Path) -> None:
    with another_run(tmp_path) as (_, folder):
        with ray_folder(tmp_path):
            assert (folder / "session").is_dir()
        assert (folder / "session").is_dir()

    assert list(tmp_path.iterdir()) == []


def test_what_only_looks_like_a_folder_of_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "clipd-ray-of-a-cluster").mkdir()
    (tmp_path / "clipd-ray-file").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "of-a-bulk-run").touch()
    (tmp_path / "clipd-ray-link").symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))

    with ray_folder(tmp_path):
        pass

    assert sorted(tmp_path.rglob("*")) == before
