"""``clipctl info`` says what a person wants to know of a photo."""

from __future__ import annotations

import json

from clipd.ctl.info import info_lines
from clipd.ctl.last_list import ListedPhoto
from clipd.json_types import JsonObject
from tests.ctl.conftest import Ctl
from tests.serve.answering import INFO


def test_all_that_is_known_is_told_on_a_line_each(ctl: Ctl) -> None:
    said = ctl("info", "/photos/sunset.jpg")
    assert (said.code, said.err) == (0, "")
    assert said.lines[:9] == [
        "/photos/sunset.jpg",
        "  taken     2019-07-12 14:03:22 -02:30 (from Exif)",
        "  camera    Canon EOS 80D, EF50mm f/1.8 STM, 50 mm",
        "  place     Florence, Tuscany, IT (43.77000, 11.25000)",
        "  picture   4,000 x 3,000, 12.0 megapixels, JPEG, 4.1 MB",
        "  tags      sea, holiday",
        "  rating    4 of 5",
        "  caption   At the\\x1b[31m sea",
        "  sharpness 812.5",
    ]
    assert said.lines[-1] == "  also      /usb/sunset.jpg (offline)"


def test_json_is_a_list_of_the_answers(ctl: Ctl) -> None:
    said = ctl("info", "/photos/sunset.jpg", "/photos/sunset.jpg", "--json")
    assert json.loads(said.out) == [INFO, INFO]


def test_a_number_of_the_last_list_is_found_wherever_the_photo_lies_by_now(ctl: Ctl) -> None:
    ctl.lists(ListedPhoto(b"/photos/old name.jpg", 7))
    assert ctl("info", "@1").lines[0] == "/photos/sunset.jpg"


def test_a_file_that_is_no_photo_is_told_with_the_reason(ctl: Ctl) -> None:
    said = ctl("info", "/photos/cut.jpg")
    assert said.lines == ["/photos/cut.jpg", "  not found corrupt: cut short"]


def test_a_file_that_is_not_known_is_refused(ctl: Ctl) -> None:
    said = ctl("info", "/photos/nothing.jpg")
    assert (said.code, said.out) == (4, b"")
    assert "nothing is known of /photos/nothing.jpg" in said.err


def test_what_is_not_known_is_left_out() -> None:
    bare: JsonObject = {"photo": 7, "paths": [{"path": "/a.jpg"}], "rating": -1, "is_read": False}
    assert list(info_lines(bare)) == [
        "/a.jpg",
        "  rating    rejected",
        "  unread    its camera, its place and its tags are not read yet",
    ]


def test_a_deleted_photo_is_known_for_a_while() -> None:
    gone: JsonObject = {"photo": 7, "paths": [{"path": "/a.jpg", "gone_since": 1_700_000_000}]}
    (line,) = info_lines(gone)
    assert line.startswith("/a.jpg (gone since 2023-11-1")
