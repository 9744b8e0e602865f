import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.making import made

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 240


@pytest.mark.slow
def test_what_a_demo_that_goes_on_tells_to_type_works_in_a_fresh_shell(tmp_path: Path) -> None:
    fresh = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    shown = subprocess.run(
        [sys.executable, "-m", "clipd", "demo", "--keep"],
        env=fresh | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    pid = int(re.findall(r"kill (\d+) &&", shown.stdout)[0])
    try:
        assert shown.returncode == 0, shown.stderr
        lines = [line.strip() for line in shown.stdout.splitlines() if line.startswith("    ")]
        commands = [line for line in lines if not line.startswith("xdg-open")]
        assert len(commands) == 5
        typed = subprocess.run(
            ["bash", "-euxc", "\n".join(commands)],
            env=fresh,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    assert typed.returncode == 0, typed.stderr
    assert "cat.jpg" in typed.stdout
    assert list(tmp_path.glob("clipd-demo-*")) == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_demo_without_room_says_so_in_one_line(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        shown = subprocess.run(
            [sys.executable, "-m", "clipd", "demo"],
            env={**os.environ, "HOME": str(tmp_path), "TMPDIR": str(small)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        left = list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)
    assert shown.returncode == 4
    assert shown.stderr.startswith("clipd: ")
    assert "No space left on device" in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert left == []


@pytest.mark.engines
def test_make_demo_milvus_checks_every_answer_of_an_index_that_milvus_keeps(tmp_path: Path) -> None:
    shown = made("demo-milvus", tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.endswith("all answers were right\n")
    assert "compared what Milvus holds with the catalog" in shown.stdout
    assert list(tmp_path.glob("clipd-*")) == []
