from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.terminal import typed
from tests.serve.answering import HITS, GivenService


def test_the_paths_of_a_group_stand_together_under_its_number(ctl: Ctl) -> None:
    said = ctl("dupes")
    assert said.code == 0
    assert said.lines == ["1\t/photos/sunset.jpg", "1\t/photos/copy.jpg"]
    assert said.err == "clipctl: 1 photo lies at several paths\n"


@pytest.mark.parametrize(
    ("option", "asked"), [([], "copy"), (["--burst"], "burst"), (["--look"], "look")]
)
def test_the_kind_is_asked_for(
    ctl: Ctl, service: GivenService, option: list[str], asked: str
) -> None:
    assert ctl("dupes", *option, "-n", "7").code == 0
    assert service.asked == [(asked, 7)]


def test_null_prints_what_another_path_stands_for(ctl: Ctl) -> None:
    assert ctl("dupes", "-0").out == b"/photos/copy.jpg\0"


def test_json_is_what_the_daemon_says(ctl: Ctl) -> None:
    answer = json.loads(ctl("dupes", "--json").out)
    assert answer["groups"][0]["best"] == HITS[0].photo


def test_on_a_terminal_the_files_are_numbered(ctl: Ctl, service: GivenService) -> None:
    service.hits = (replace(HITS[0], also=(b"/photos/a.jpg", b"/photos/b.jpg")),)
    drawn = typed(ctl, "clipctl dupes; clipctl rescan @3")
    assert drawn.index("1 \x1b") < drawn.index("3 \x1b")
    assert service.asked[-1] == ("rescan", b"/photos/b.jpg")
