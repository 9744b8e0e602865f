from __future__ import annotations

import pytest

from clipd.ctl.hit_list import terminal_lines
from clipd.ctl.text_width import width_of
from clipd.json_types import JsonObject
from tests.ctl.conftest import Ctl
from tests.ctl.terminal import typed
from tests.serve.answering import GivenService


def hit(path: str, **more: object) -> JsonObject:
    return {"photo": 1, "path": path, "score": 0.5, "offline": False, **more}  # type: ignore[dict-item]


LAKE = hit("/photos/lake.jpg", taken="2019-07-12T14:03:22", place="Como, Italy", stands_for=8)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("HOME", "/home/me")


def test_a_line_has_number_bar_path_date_place_and_what_it_stands_for() -> None:
    assert list(terminal_lines([LAKE], 100)) == [
        "1 ██▌   /photos/lake.jpg  2019-07-12  Como, Italy  +7"
    ]


def test_the_columns_are_aligned_whatever_the_characters() -> None:
    hits = [
        LAKE,
        hit("/photos/湖と山.jpg", taken="2020-01-02T00:00:00"),
        hit("/a.jpg", offline=True),
    ]
    lines = list(terminal_lines(hits, 100))
    assert {width_of(line[: line.index("20")]) for line in lines[:2]} == {28}
    assert lines[2].endswith("offline")


def test_the_date_of_a_file_is_no_date_of_its_photo() -> None:
    saved = hit("/a.jpg", taken="2026-01-02T00:00:00", taken_from="file", stands_for=1)
    assert next(terminal_lines([saved], 80)) == "1 ██▌   /a.jpg"


def test_a_path_below_home_is_short() -> None:
    assert "~/Pictures/a.jpg" in next(terminal_lines([hit("/home/me/Pictures/a.jpg")], 80))
    assert " /home/melanie/a.jpg" in next(terminal_lines([hit("/home/melanie/a.jpg")], 80))


@pytest.mark.parametrize("room", [20, 40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(room: int) -> None:
    hits = [LAKE, hit("/photos/" + "deep/" * 60 + "写真.jpg", place="写真" * 40, offline=True)]
    assert all(width_of(line) <= max(room, 40) for line in terminal_lines(hits, room))


@pytest.mark.parametrize(
    ("score", "bar"), [(0.0, "▏"), (0.1, "▌"), (0.5, "██▌"), (1.0, "█████"), (-0.2, "▏")]
)
def test_the_bar_is_as_long_as_the_confidence(score: float, bar: str) -> None:
    assert next(terminal_lines([hit("/a.jpg", score=score)], 80)).split() == ["1", bar, "/a.jpg"]


def test_without_scores_there_are_no_bars() -> None:
    assert list(terminal_lines([hit("/a.jpg", score=None)], 80)) == ["1 /a.jpg"]


def test_numbers_are_aligned() -> None:
    lines = list(terminal_lines([hit("/a.jpg")] * 10, 80))
    assert lines[0].startswith(" 1 ")
    assert lines[9].startswith("10 ")


def test_on_a_terminal_paths_are_links_and_control_characters_harmless(
    ctl: Ctl, service: GivenService
) -> None:
    drawn = typed(ctl, "clipctl search sunset")
    assert "/photos/sunset.jpg\x1b\\/photos/sunset.jpg\x1b]8;;\x1b\\" in drawn
    assert "\x1b]8;;file://" in drawn
    assert "caf%E9%0A%1B%5B31mred%09.jpg" in drawn
    assert "\\x1b[31mred" in drawn
    assert "\x1b[31m" not in drawn


def test_a_terminal_without_links_gets_none(ctl: Ctl) -> None:
    assert "\x1b]8" not in typed(ctl, "clipctl search sunset", TERM="linux")
    assert "\x1b" not in typed(ctl, "clipctl search sunset", TERM="dumb")
