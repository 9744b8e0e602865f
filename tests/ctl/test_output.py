"""What happens where the output cannot be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.ctl.conftest import PATIENCE_SECONDS, Ctl

CLIPD = [sys.executable, "-P", "-m", "clipd"]


def ended(redirection: str, command: Sequence[str | bytes], ctl: Ctl) -> tuple[int, str, str]:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *command],
        env=ctl.environment() | {"PYTHONUNBUFFERED": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "words", [["search", "x"], ["status"], ["status", "--json"], ["--help"], ["--version"]]
)
def test_a_full_disk_is_one_line_and_4(ctl: Ctl, words: list[str]) -> None:
    code, _, err = ended(">/dev/full", ctl.command(*words), ctl)

    assert (code, err.count("\n")) == (4, 1)
    assert err.startswith("clipctl: cannot write the results: No space left on device")


@pytest.mark.parametrize("words", [["--help"], ["config", "example"], ["model", "--help"]])
def test_so_it_is_for_clipd(ctl: Ctl, words: list[str]) -> None:
    code, _, err = ended(">/dev/full", [*CLIPD, *words], ctl)

    assert (code, err.count("\n")) == (4, 1)
    assert err.startswith("clipd: cannot write the results: No space left on device")


@pytest.mark.parametrize("words", [["search", "x"], ["status", "--json"]])
def test_a_closed_output_is_one_line_and_4(ctl: Ctl, words: list[str]) -> None:
    code, _, err = ended(">&-", ctl.command(*words), ctl)

    assert (code, err.count("\n")) == (4, 1)
    assert "standard output is closed" in err


def test_what_needs_no_output_does_without(ctl: Ctl) -> None:
    assert ended(">&-", ctl.command("pause"), ctl)[0] == 0


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_results_come_even_where_messages_cannot(ctl: Ctl, redirection: str) -> None:
    code, out, _ = ended(redirection, ctl.command("search", "x"), ctl)

    assert code == 0
    assert all(line.count("\t") for line in out.splitlines())
    assert out


def test_whoever_reads_no_further_gets_no_complaint(ctl: Ctl) -> None:
    code, _, err = ended("| true", ctl.command("search", "x"), ctl)

    assert (code, err) == (0, "")


@pytest.mark.parametrize("command", [["clipd"], ["clipd", "model"], ["clipd", "config"], ["ctl"]])
@pytest.mark.parametrize("columns", ["40", "80"])
def test_help_is_never_cut(ctl: Ctl, command: list[str], columns: str) -> None:
    name, *group = command
    program = CLIPD if name == "clipd" else ctl.command()
    done = subprocess.run(
        [*program, *group, "--help"],
        env=ctl.environment() | {"COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "..." not in done.stdout.partition("Commands:")[2]
