"""The README is right: every command in it runs, every file that it names is there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from bench.scale_model import Rates, table
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
    summer = datetime(2019, 7, 12).timestamp()  # for the queries with a date
    for taken in ("beach", "holiday"):
        os.utime(pictures / f"{taken}.jpg", (summer, summer))
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


@pytest.mark.parametrize(
    "page",
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "clipd/pocket/CARD.md"]
    + [f"docs/{file.name}" for file in (REPOSITORY / "docs").glob("*.md")],
)
def test_a_file_of_ours_that_a_page_names_is_there(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    named = re.findall(r"\b(?:clipd|tests|bench)/[\w/]+\.(?:py|md)\b", text)

    assert not [name for name in named if not (REPOSITORY / name).exists()]


def test_the_table_of_scale_is_what_its_model_computes() -> None:
    assert table(Rates()) in (REPOSITORY / "docs" / "scale.md").read_text()


def test_that_table_follows_from_the_rates() -> None:
    ten_times_as_slow = table(replace(Rates(), core_ms=360))

    assert "| 100 | 1,000 | 10,000 | 100,000 |" in ten_times_as_slow


MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "docs/performance.md", ".ci/run"])
def test_a_make_target_that_is_named_is_in_the_makefile(file: str) -> None:
    text = (REPOSITORY / file).read_text()
    lines = re.findall(r"^(?:\$ |timeout \S+ \S+ )?make ([a-z -]+?)(?: *#.*)?$", text, re.MULTILINE)
    named = {word for line in lines for word in line.split()}
    named |= set(re.findall(r"`make ([a-z-]+)`", text))

    assert named
    assert named <= TARGETS


def test_no_file_can_stand_in_for_a_make_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("mark", ["", "faults", "engines"])
@pytest.mark.parametrize("slow", [False, True])
def test_make_runs_every_test_whatever_its_marks(alone: bool, mark: str, slow: bool) -> None:
    recipe = MAKEFILE.partition(f"\n{mark or 'test'}:")[2].partition("\n\n")[0]
    chosen = re.findall(r"-m pytest .*?-m (?:\"([^\"]+)\"|(\w+))", recipe)
    marks = {"alone": alone, "slow": slow, "faults": mark == "faults", "engines": mark == "engines"}

    assert sum(bool(eval(quoted or bare, {}, marks)) for quoted, bare in chosen) == 1
