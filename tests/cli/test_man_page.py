from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from clipd.cli.command import main
from clipd.cli.man_page import Manual, commands_of, man_page, root_context
from clipd.ctl.command import cli
from tests.cli.program import clipd

PROGRAMS = (Manual("clipd", main, "clipctl"), Manual("clipctl", cli, "clipd"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_page_has_every_command_and_option(program: Manual) -> None:
    page = man_page(program).replace("\\-", "-")
    commands = list(commands_of(root_context(program)))
    assert len(commands) > 5
    for context in commands:
        assert f".SS {context.command_path} " in page
        for parameter in context.command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_groff_has_nothing_to_complain_about(program: Manual) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-P-cbou"],
        input=man_page(program),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert re.search(rf"{program.name} . (keep|search)", done.stdout)
    assert "EXIT STATUS" in done.stdout


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_finds_the_pages_where_they_are_written(tmp_path: Path) -> None:
    written = clipd(tmp_path, "man", "--to", str(tmp_path / "man/man1"))
    assert written.returncode == 0
    done = subprocess.run(
        ["man", "clipctl"],
        env={
            "PATH": os.environ["PATH"],
            "MANPATH": str(tmp_path / "man"),
            "MANPAGER": "cat",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if "has been minimized" in done.stdout:
        pytest.skip("this system has no manual pages")
    assert "clipctl search" in done.stdout


def test_where_pages_lie_is_said_and_they_can_be_printed(tmp_path: Path) -> None:
    said = clipd(tmp_path, "man")
    assert f"{tmp_path}/.local/share/man/man1/clipctl.1" in said.stdout
    assert (tmp_path / ".local/share/man/man1/clipd.1").read_text().startswith(".TH")
    (tmp_path / "file").touch()
    assert clipd(tmp_path, "man", "--to", str(tmp_path / "file")).returncode == 4
