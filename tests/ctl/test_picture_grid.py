"""Lists of pictures, as a terminal shows them."""

from __future__ import annotations

import threading

import pytest

from clipd.ctl.kitty import KittyDrawing
from clipd.errors import RequestError
from clipd.photo import Hit
from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal, Kind
from tests.serve.answering import GivenService

TWELVE = tuple(Hit(n, b"/photos/%d.jpg" % n, 0.5, False) for n in range(1, 13))


@pytest.mark.parametrize(
    ("columns", "across"), [(12, 1), (18, 1), (37, 1), (38, 2), (80, 4), (100, 5), (200, 10)]
)
def test_as_many_lie_side_by_side_as_the_window_has_room_for(
    ctl: Ctl, service: GivenService, columns: int, across: int
) -> None:
    service.hits = TWELVE
    screen = DrawingTerminal(columns).run(ctl, "clipctl sunset")  # which knows its edges

    first = screen.pictures[0].line
    assert sum(picture.line == first for picture in screen.pictures) == across
    assert len(screen.pictures) == 12
    assert list(screen.places_of(".jpg")) == [f"{n}.jpg" for n in range(1, 13)]
    for name, picture in zip(screen.places_of(".jpg").values(), screen.pictures, strict=True):
        assert name[0] == picture.line + len(picture.pixels) // 20 + 1
        assert 0 <= picture.column - name[1] < 10


def test_in_half_blocks_a_window_of_80_by_24_holds_six(ctl: Ctl, service: GivenService) -> None:
    service.hits = TWELVE[:6]
    terminal = DrawingTerminal(80, 24, kind="plain")
    screen = terminal.run(ctl, "clipctl sunset --preview on")
    (line, column) = screen.places_of("6.jpg")["6.jpg"]
    assert (line, column) == (22, 54)
    assert screen.blocks_above(line - 1, column, 25).shape == (18, 25, 3)


def test_under_a_picture_stand_number_confidence_and_what_else_there_is_room_for(
    ctl: Ctl, service: GivenService
) -> None:
    day = "2019-07-12T14:03:22"
    long = b"/photos/" + b"long" * 20 + b".jpg"
    service.hits = (
        Hit(1, b"/photos/a.jpg", 0.5, False, stands_for=8, taken=day, taken_from="exif"),
        Hit(2, b"/usb/b.jpg", 1.0, True),
        Hit(3, long, 0.2, False, taken=day, taken_from="exif"),
    )
    lines = DrawingTerminal(60).run(ctl, "clipctl sunset").text().splitlines()
    heads, names = next(
        (line, lines[at + 1]) for at, line in enumerate(lines) if line.startswith("1 ")
    )
    cut = [heads[start : start + 18].rstrip() for start in (0, 20, 40)]
    assert cut == ["1 ██▌ +7", "2 █████ offline", "3 █ 2019-07-12"]
    assert names.split() == ["a.jpg", "b.jpg", "longl…longlong.jpg"]


def test_numbers_stand_for_the_photos_of_the_grid(ctl: Ctl, service: GivenService) -> None:
    screen = DrawingTerminal(200).run(ctl, "clipctl sunset; clipctl info @1")
    assert "Canon EOS 80D" in screen.text()


def test_nothing_in_a_name_reaches_the_terminal(ctl: Ctl, service: GivenService) -> None:
    hostile = b"\x1b[31m\x1b_Ga=d\x1b\\\x1b]0;x\x07\n\t\xff" + "\u202eطgpj.写真".encode()
    service.hits = (Hit(1, b"/photos/" + hostile, 0.5, False, stands_for=1), *TWELVE[1:3])

    def refuse(photo: int) -> None:
        raise RequestError("no_thumbnail", f"/photos/{hostile!r}: \x1b[31m \u202e {hostile!r}", 422)

    for before in (lambda photo: None, refuse):
        service.before_thumbnail = before
        for kind in ("kitty", "plain"):
            terminal = DrawingTerminal(kind=kind)
            screen = terminal.run(ctl, "clipctl sunset --preview on")
            assert not screen.unknown
            assert b"\x1b[31m" not in terminal.raw
            assert "\u202e".encode() not in terminal.raw
            assert {link.rpartition("/")[2] for link in screen.links()} > {"2.jpg", "3.jpg"}


@pytest.mark.parametrize("kind", ["kitty", "plain"])
def test_a_photo_without_a_picture_is_a_frame_and_the_list_goes_on(
    ctl: Ctl, service: GivenService, kind: Kind
) -> None:
    def refuse(photo: int) -> None:
        if photo == 2:
            raise RequestError("no_thumbnail", "/photos/2.jpg: its drive is not there", 422)

    service.hits, service.before_thumbnail = TWELVE[:3], refuse
    screen = DrawingTerminal(kind=kind).run(ctl, "clipctl sunset --preview on")
    lines = screen.text().splitlines()
    assert any("│ its drive is" in line for line in lines)
    assert any("there " in line for line in lines)
    assert "/photos" not in screen.text()
    assert len(screen.pictures) == (2 if kind == "kitty" else 0)
    assert list(screen.places_of(".jpg")) == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_window_that_became_narrower_has_fewer_side_by_side(
    ctl: Ctl, service: GivenService
) -> None:
    service.hits = TWELVE
    is_narrow = threading.Event()
    service.before_thumbnail = lambda photo: None if photo <= 4 else _wait(is_narrow)

    def narrow(terminal: DrawingTerminal) -> None:
        if len(terminal.screen.pictures) == 4 and not is_narrow.is_set():
            terminal.resize(41)
            is_narrow.set()

    screen = DrawingTerminal(80, during=narrow).run(ctl, "clipctl sunset")
    rows = [picture.line for picture in screen.pictures]
    assert [rows.count(line) for line in dict.fromkeys(rows)] == [4, 2, 2, 2, 2]
    assert len(screen.pictures) == 12


def _wait(event: threading.Event) -> None:
    event.wait(20)


@pytest.mark.parametrize("kind", ["kitty", "plain"])
def test_ctrl_c_leaves_the_terminal_as_it_was(ctl: Ctl, service: GivenService, kind: Kind) -> None:
    service.hits = TWELVE
    ended = threading.Event()
    service.before_thumbnail = lambda photo: None if photo <= 4 else _wait(ended)

    typed: list[bool] = []

    def interrupt(terminal: DrawingTerminal) -> None:
        if terminal.screen.places_of("4.jpg") and not typed:
            typed.append(True)
            terminal.type(b"\x03")

    terminal = DrawingTerminal(kind=kind, during=interrupt)
    try:
        screen = terminal.run(
            ctl,
            'trap : INT; before=$(stty -g); clipctl sunset --preview on; echo "ended $?";'
            '[ "$before" = "$(stty -g)" ] && echo restored',
        )
    finally:
        ended.set()
    assert screen.text().splitlines()[-2:] == ["ended 130", "restored"]
    assert screen.lines[-2][0].ground == (0, 0, 0)
    # Here nothing was half drawn; that this ends what is half drawn is shown in test_kitty.py.
    assert {"kitty": KittyDrawing.end, "plain": "\x1b[0m\r\n"}[kind].encode() in terminal.raw
    assert "Traceback" not in screen.text()
    assert not screen.unknown
