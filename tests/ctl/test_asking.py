from __future__ import annotations

import threading
from pathlib import Path

from clipd.ctl.asking import Round
from clipd.ctl.libraries import Library
from clipd.errors import RequestError
from tests.ctl.conftest import Ctl
from tests.serve.answering import GivenService


def test_who_runs_but_is_late_is_told_from_who_is_silent(
    ctl: Ctl, service: GivenService, tmp_path: Path
) -> None:
    awake = threading.Event()

    def wake() -> None:
        awake.wait(30)

    service.before_search = wake
    libraries = [Library("slow", ctl.socket), Library("none", tmp_path / "none.sock")]
    try:
        slow, none = Round(libraries, {"q": "sunset"}, 0.5).replies()
    finally:
        awake.set()

    assert slow.answer is None
    assert str(slow.error) == (
        "no answer within 0.5 s, though it runs: its model may be waking; "
        "give it longer: --within 60"
    )
    assert none.answer is None
    assert "there is no socket" in str(none.error)


def test_an_answer_is_not_waited_for_longer_than_it_takes(
    ctl: Ctl, service: GivenService, tmp_path: Path
) -> None:
    (reply,) = Round([Library("here", ctl.socket)], {"q": "sunset"}, 300).replies()
    assert reply.answer is not None
    assert reply.answer["query"] == "sunset"


def test_a_refusal_is_the_reply_of_one_library(
    ctl: Ctl, service: GivenService, tmp_path: Path
) -> None:
    def refuse() -> None:
        raise RequestError("busy", "too much to do", 503)

    service.before_search = refuse
    (reply,) = Round([Library("here", ctl.socket)], {"q": "sunset"}, 30).replies()
    assert reply.answer is None
    assert str(reply.error) == "too much to do"
