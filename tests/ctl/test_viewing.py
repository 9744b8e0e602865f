from __future__ import annotations

import json
import os

import pytest

from clipd.ctl.last_list import ListedPhoto
from clipd.errors import RequestError
from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal
from tests.serve.answering import GivenService


@pytest.mark.parametrize(("columns", "rows"), [(40, 24), (80, 40), (20, 9)])
def test_a_photo_is_as_large_as_the_window_with_name_date_and_place_under_it(
    ctl: Ctl, service: GivenService, columns: int, rows: int
) -> None:
    # The service fills whatever room it is given.
    screen = DrawingTerminal(columns, rows).run(ctl, "clipctl view /photos/sunset.jpg")

    (picture,) = screen.pictures
    assert picture.pixels.shape == ((rows - 4) * 20, columns * 10, 3)
    name, facts = screen.text().splitlines()[rows - 4 : rows - 2]
    assert name.startswith("/ph" if columns < 30 else "/photos/sunset.jpg")
    assert facts.startswith("2019-07-12 14:03:22"[: columns - 1])
    assert columns < 80 or "Florence, Tuscany, IT" in facts
    assert not screen.unknown


def test_in_half_blocks_too(ctl: Ctl, service: GivenService) -> None:
    screen = DrawingTerminal(40, 24, kind="plain").run(ctl, "clipctl view /photos/sunset.jpg")
    assert screen.blocks_above(20, 0, 40).shape == (40, 40, 3)


def test_what_is_larger_than_clipd_makes_pictures_is_enlarged_to_the_window(
    ctl: Ctl, service: GivenService
) -> None:
    screen = DrawingTerminal(200, 60).run(ctl, "clipctl view /photos/sunset.jpg")  # 2000 x 1200
    assert ((7, (1024, 1024))) in service.asked
    (picture,) = screen.pictures
    assert picture.pixels.shape == (1120, 1120, 3)


def test_a_terminal_that_tells_no_pixels_gets_cells_of_one_to_two(
    ctl: Ctl, service: GivenService
) -> None:
    terminal = DrawingTerminal(40, 24, tells_pixels=False)
    screen = terminal.run(ctl, "clipctl view /photos/sunset.jpg")
    assert b",c=40,r=20," in terminal.raw
    assert screen.pictures[0].pixels.shape == (400, 400, 3)


def test_several_come_one_after_another_and_each_that_cannot_is_a_frame(
    ctl: Ctl, service: GivenService
) -> None:
    screen = DrawingTerminal(60).run(
        ctl, "clipctl view /photos/sunset.jpg /photos/cut.jpg /nowhere.jpg /photos/sunset.jpg"
    )
    text = screen.text()
    assert len(screen.pictures) == 2
    assert text.count("/photos/sunset.jpg") == 2
    assert "│ cut short" in text
    assert "│ nothing is known of /nowhere.jpg" in text


def test_numbers_of_the_last_list_are_viewed(ctl: Ctl, service: GivenService) -> None:
    screen = DrawingTerminal(60).run(
        ctl, "clipctl sunset --preview off; clipctl view @1; clipctl view @9"
    )
    assert len(screen.pictures) == 1
    assert "there is no @9" in screen.text()


def test_it_ends_with_1_where_nothing_could_be_drawn(ctl: Ctl, service: GivenService) -> None:
    terminal = DrawingTerminal()
    terminal.run(ctl, "clipctl view /photos/cut.jpg")
    assert terminal.exit_code == 1
    terminal = DrawingTerminal()
    terminal.run(ctl, "clipctl view /photos/cut.jpg /photos/sunset.jpg")
    assert terminal.exit_code == 0


def test_nothing_that_a_photo_says_reaches_the_terminal(ctl: Ctl, service: GivenService) -> None:
    hostile = b"/photos/\x1b[31m\x1b_Ga=d\x1b\\\n\xff.jpg"
    ctl.lists(ListedPhoto(hostile, 1))

    def refuse(photo: int) -> None:
        raise RequestError("no_thumbnail", f"{hostile!r} \x1b[31m: \u202e", 422)

    service.before_thumbnail = refuse
    terminal = DrawingTerminal(60)
    screen = terminal.run(ctl, 'clipctl view "$BAD" /photos/sunset.jpg', BAD=os.fsdecode(hostile))
    assert not screen.unknown
    assert b"\x1b[31m" not in terminal.raw
    assert "\\x1b[31m" in screen.text()


@pytest.mark.parametrize(
    "line", ["clipctl view /photos/sunset.jpg | cat", "export NO_COLOR=1; clipctl view /a"]
)
def test_where_nothing_can_be_drawn_it_says_what_else_there_is(
    ctl: Ctl, service: GivenService, line: str
) -> None:
    screen = DrawingTerminal(100).run(ctl, line)
    assert "look at it with: clipctl open" in screen.text().replace("\n", "")


def test_for_scripts_it_says_what_is_known(ctl: Ctl, service: GivenService) -> None:
    said = ctl("view", "--json", "/photos/sunset.jpg")
    assert said.code == 0
    assert [photo["photo"] for photo in json.loads(said.out)] == [7]
