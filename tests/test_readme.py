"""The README is right: every command in it runs, every file that it names is there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.commands import REPOSITORY
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon

README = (REPOSITORY / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [
    line.strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith(("clipctl ", "clipd "))
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon whose home has a Pictures folder, with a configuration at its usual place."""
    folder = tmp_path_factory.mktemp("readme")
    pictures = folder / "home0" / "Pictures"
    for scene in ("sunset", "beach", "cake", "a red car", "holiday"):
        album.save(pictures / f"{scene}.jpg", album.new("beach" if scene == "holiday" else scene))
    with ExitStack() as running:
        daemon = Daemons(folder, running).new([pictures])
        daemon.file = folder / "home0" / "config" / "clipd" / "config.toml"
        daemon.file.parent.mkdir(parents=True)
        daemon.configure([pictures])
        daemon.start()
        daemon.wait_until(lambda: daemon.status()["photos"] == 5)
        yield daemon


def test_the_readme_has_commands_to_try() -> None:
    assert len(LINES) > 15


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_does_what_it_says(demo: Daemon, line: str) -> None:
    environment = demo.environment_of()
    # clipd and clipctl of this environment first, whatever else is installed
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=environment,
        cwd=demo.home,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_a_file_that_the_readme_links_to_is_there(target: str) -> None:
    assert (REPOSITORY / target).exists()


def test_the_make_targets_of_the_readme_are_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for language, block in BLOCKS
        if language == "sh"
        for line in block.splitlines()
        if line.startswith("make ")
        for word in shlex.split(line)[1:]
    }
    named |= set(re.findall(r"`make ([a-z-]+)`", README))
    assert named <= targets
