"""``clipctl verify``: what it prints, its exit codes, its progress, and its end by Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time

import pytest

from clipd.store.verify import CheckScope
from tests.ctl.conftest import PATIENCE_SECONDS, Ctl
from tests.ctl.terminal import on_terminal
from tests.serve.answering import GivenCheck, GivenService


def test_verify_ends_with_1_unless_all_is_right(ctl: Ctl, service: GivenService) -> None:
    said = ctl("verify")
    assert said.code == 1
    assert said.lines == ["the index lacks 1 photo", r"  /photos/caf\xe9\n\x1b[31mred\t.jpg"]
    assert "passed over /usb: the folder is missing" in said.err
    assert "clipctl verify --repair" in said.err

    repaired = ctl("verify", "--repair")
    assert (repaired.code, repaired.lines) == (0, [])
    assert "repaired: the index lacks 1 photo" in repaired.err
    assert "catalog and index agree" in repaired.err


def test_verify_asks_for_what_its_options_say(ctl: Ctl, service: GivenService) -> None:
    for options, scope in (
        ((), CheckScope()),
        (("--disk",), CheckScope(disk=True)),
        (("--deep",), CheckScope(deep=True)),
        (("--disk", "--repair"), CheckScope(disk=True, repair=True)),
    ):
        ctl("verify", *options)
        assert service.asked.pop() == scope


def test_verify_prints_one_json_object_for_scripts(ctl: Ctl) -> None:
    said = ctl("verify", "--json")
    verdict = json.loads(said.out)
    assert said.code == 1
    assert verdict["ok"] is False
    assert verdict["problems"] == ["the index lacks 1 photo"]
    assert said.err == ""


@pytest.mark.parametrize(("extra", "is_lively"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_progress_is_drawn_on_a_terminal_only_where_it_is_welcome(
    ctl: Ctl, service: GivenService, extra: dict[str, str], is_lively: bool
) -> None:
    service.checks_end = False
    with on_terminal(ctl, "verify", **extra) as terminal:
        check = _under_way(service)
        if is_lively:
            terminal.read_until(b"left")
        check.stop()
        drawn = terminal.read_to_end()
        assert terminal.exit_code() == 4
    assert ("checking vectors: 50 %, 1:05 left" in drawn) is is_lively
    assert "the check was ended before it was done" in drawn


def test_ctrl_c_ends_the_check_on_both_sides(ctl: Ctl, service: GivenService) -> None:
    service.checks_end = False
    process = subprocess.Popen(
        ctl.command("verify", "--deep"), env=ctl.environment(), stderr=subprocess.PIPE
    )
    check = _under_way(service)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert said.strip() == b""
    assert check.stopped.wait(PATIENCE_SECONDS)


def test_a_refusal_before_the_check_begins_reads_like_any_other(ctl: Ctl) -> None:
    said = ctl("verify", "--depe")
    assert said.code == 2
    assert "--deep" in said.err


def _under_way(service: GivenService) -> GivenCheck:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while service.check is None:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return service.check
