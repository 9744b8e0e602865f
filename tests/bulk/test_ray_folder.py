"""What a run on this machine leaves in the folder for temporary files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clipd.bulk.ray_folder import ray_folder
from tests.processes import look

_HOLD = """
import os, sys, tempfile
from clipd.bulk.ray_folder import ray_folder
tempfile.tempdir = sys.argv[1]
with ray_folder() as folder:
    os.mkdir(os.path.join(folder, "session"))
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another_run(temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    command = [sys.executable, "-P", "-c", _HOLD, str(temporary)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().rstrip())
    assert look(process.pid) is None


def test_the_folder_of_a_run_goes_with_it(temporary: Path) -> None:
    with ray_folder() as folder:
        Path(folder, "session").mkdir()

    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_one(temporary: Path) -> None:
    with another_run(temporary) as (process, folder):
        process.kill()
    assert (folder / "session").is_dir()

    with ray_folder() as own:
        assert list(temporary.iterdir()) == [Path(own)]


def test_the_folder_of_a_run_that_goes_on_stays(temporary: Path) -> None:
    with another_run(temporary) as (_, folder):
        with ray_folder():
            assert (folder / "session").is_dir()
        assert (folder / "session").is_dir()

    assert list(temporary.iterdir()) == []


def test_what_only_looks_like_a_folder_of_ours_stays(temporary: Path) -> None:
    (temporary / "clipd-ray-of-a-cluster").mkdir()
    (temporary / "clipd-ray-file").touch()
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / "of-a-bulk-run").touch()
    (temporary / "clipd-ray-link").symlink_to(temporary / "elsewhere")
    before = sorted(temporary.rglob("*"))

    with ray_folder():
        pass

    assert sorted(temporary.rglob("*")) == before
