from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from clipd.cli.command import main as clipd
from clipd.ctl.command import cli as clipctl
from clipd.ctl.command_group import CommandGroup
from clipd.ctl.failures import INTERRUPTED, exit_code
from clipd.errors import (
    AlreadyRunningError,
    ClipdError,
    ConfigError,
    NotRunningError,
    QueryError,
    RequestError,
    WrongModelError,
)
from tests.ctl.conftest import Ctl
from tests.serve.answering import GivenService


def commands(group: click.Group, above: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


ALL = dict([*commands(clipctl, "clipctl"), *commands(clipd, "clipd")])


@pytest.mark.parametrize("name", ALL)
def test_every_command_of_both_programs_has_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[name].params)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotRunningError("x"), 3),
        (QueryError("x", (0, 1)), 2),
        (RequestError("query_empty", "x"), 2),
        (ConfigError("x"), 2),
        (WrongModelError("x"), 2),
        (RequestError("no_such_file", "x", 404), 4),
        (RequestError("busy", "x", 503), 4),
        (AlreadyRunningError("x"), 4),
        (ClipdError("x"), 4),
    ],
)
def test_the_exit_code_says_whose_turn_it_is(error: ClipdError, code: int) -> None:
    assert exit_code(error) == code


# What a command needs to be asked; those that ask no daemon are left out.
WORDS = {
    "search": ["sunset"],
    "similar": ["/a.jpg"],
    "info": ["/a.jpg"],
    "view": ["/a.jpg"],
    "model": ["switch"],
}
BY_ITSELF = ("open", "show", "copy", "completion", "man")
ASKING = [
    name.split()[1]
    for name in ALL
    if name.startswith("clipctl") and name.split()[1] not in BY_ITSELF
]


@pytest.mark.parametrize("command", ASKING)
def test_without_a_daemon_every_command_ends_with_3_in_json_too(
    command: str, tmp_path: Path
) -> None:
    said = Ctl(tmp_path / "none.sock")(command, *WORDS.get(command, []), "--json")
    assert said.code == 3
    error = json.loads(said.out)["error"]
    assert error["code"] == "not_running"
    assert error["message"] in said.err


@pytest.mark.parametrize("name", ALL)
def test_wrong_usage_of_every_command_ends_with_2_in_json_too(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *words = name.split()
    group = clipctl if program == "clipctl" else clipd
    with pytest.raises(SystemExit) as ended:
        group.main([*words, "--json", "--no-such-option"], program)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "usage"
    assert "--no-such-option" in err


def test_a_refusal_of_the_daemon_is_json_with_its_code(ctl: Ctl, service: GivenService) -> None:
    said = ctl("similar", "--json", "/nowhere.jpg")
    assert said.code == 4
    assert json.loads(said.out)["error"]["code"] == "unreadable"


def test_a_number_that_there_is_not_ends_with_2(ctl: Ctl) -> None:
    said = ctl("open", "--json", "@7")
    assert said.code == 2
    assert json.loads(said.out)["error"]["code"] == "no_list"


def test_json_behind_two_dashes_is_a_word(ctl: Ctl, service: GivenService) -> None:
    said = ctl("similar", "--", "--json")
    assert (said.code, said.out) == (4, b"")


@pytest.mark.parametrize("command", ["pause", "resume", "rescan"])
def test_what_is_done_says_so_in_json(ctl: Ctl, command: str) -> None:
    assert json.loads(ctl(command, "--json").out) == {"ok": True}


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_a_ctrl_c_at_the_seam_of_a_condition_is_an_interrupt_and_another_error_is_none(
    is_interrupted: bool,
) -> None:
    group = CommandGroup("clipctl")

    @group.command()
    def wait() -> None:
        condition = threading.Condition()
        with condition:
            condition.release()  # as `wait` does, and has not taken it back yet
            if is_interrupted:
                raise KeyboardInterrupt

    if is_interrupted:
        assert group.main(["wait"], standalone_mode=False) == INTERRUPTED
    else:
        with pytest.raises(RuntimeError):
            group.main(["wait"], standalone_mode=False)
