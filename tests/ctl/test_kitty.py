from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipd.ctl.graphics_query import ANSWER, QUERY
from clipd.ctl.kitty import KittyDrawing, transmission
from clipd.ctl.tiles import RgbPicture, side_by_side
from clipd.ctl.window import Window
from tests.ctl.screen import drawn

KITTY_ITSELF = Path(__file__).with_name("kitty_itself.py")

WINDOW = Window(80, 24, 10, 20, True)


def noise(width: int, height: int) -> RgbPicture:
    return RgbPicture(width, height, os.urandom(3 * width * height))


def pixels(picture: RgbPicture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height, picture.width, 3)


def test_a_picture_arrives_pixel_by_pixel_in_chunks_that_the_protocol_allows() -> None:
    picture = noise(300, 200)  # over 200 KiB of base64
    text = transmission(picture, "C=1")
    screen = drawn(text)  # which checks the size of each chunk
    assert text.count("\x1b_G") > 40
    assert np.array_equal(screen.pictures[0].pixels, pixels(picture))


def test_what_is_alike_takes_little() -> None:
    assert len(transmission(RgbPicture(300, 200, bytes(180_000)), "C=1")) < 2000


@pytest.mark.parametrize("level", [23, 5, 1])
def test_pictures_stay_on_their_lines_when_the_window_scrolls(level: int) -> None:
    drawing = KittyDrawing(WINDOW)
    tiles = [drawing.tile(noise(90, 55), 10, 5), drawing.tile(noise(40, 80), 10, 5)]
    screen = drawn("line\n" * level + side_by_side(tiles) + "names\n" + "more\n" * 30)
    first, other = screen.pictures
    assert (first.line, first.column) == (level + 1, 0)  # 3 of 5 rows, in their middle
    assert (other.line, other.column) == (level, 12 + 3)
    assert screen.text().splitlines()[level + 5] == "names"


def test_a_picture_smaller_than_clipd_makes_them_is_never_enlarged() -> None:
    assert KittyDrawing(WINDOW).cells(noise(90, 60), 80, 24) == (9, 3)


def test_one_as_large_as_clipd_makes_them_fills_the_window_in_its_proportions() -> None:
    wide = Window(300, 100, 10, 20, True)
    columns, rows = KittyDrawing(wide).cells(noise(1024, 512), 300, 90)
    assert (columns, rows) == (300, 75)
    tile = KittyDrawing(wide).tile(noise(1024, 512), columns, rows)
    assert ",c=300,r=75," in tile.graphic


def test_where_pixels_are_guessed_the_terminal_fits_them_into_cells() -> None:
    tile = KittyDrawing(WINDOW._replace(is_measured=False)).tile(noise(90, 60), 10, 5)
    assert ",c=9,r=3," in tile.graphic


@pytest.mark.parametrize("kept", [10, 3000, 9000, 40_000])
def test_a_picture_that_was_broken_off_swallows_nothing_of_what_follows(kept: int) -> None:
    text = transmission(noise(120, 100), "C=1")
    assert len(text) > 40_000
    screen = drawn(
        text[:kept] + KittyDrawing.end + "\n$ prompt\n" + transmission(noise(9, 9), "C=1")
    )
    assert "$ prompt" in screen.text()
    assert [picture.pixels.shape for picture in screen.pictures] == [(9, 9, 3)]


def test_an_end_harms_nothing_where_nothing_was_broken_off() -> None:
    assert not drawn(KittyDrawing.end).pictures


def by_kitty(text: str) -> dict[str, Any]:
    """Have kitty's own terminal read what clipctl writes; no window is opened."""
    if shutil.which("kitty") is None:
        pytest.skip("kitty is not installed")
    code = f"exec(open({str(KITTY_ITSELF)!r}).read(), {{'__name__': '__main__'}})"
    done = subprocess.run(
        ["kitty", "+runpy", code],
        input=text.replace("\n", "\r\n").encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    if b"ImportError" in done.stderr or b"AttributeError" in done.stderr:
        pytest.skip("this kitty has other insides")
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.mark.slow
def test_kitty_itself_places_pictures_where_they_are_meant_to_be() -> None:
    drawing = KittyDrawing(WINDOW)
    tiles = [drawing.tile(noise(90, 55), 10, 5), drawing.tile(noise(40, 80), 10, 5)]
    text = "line\n" * 22 + side_by_side(tiles) + "names\n" + side_by_side(tiles)
    ours, kitty = drawn(text), by_kitty(text)
    seen = [
        [picture.column, picture.line - ours.top, shape[1] / 10, shape[0] / 20]
        for picture in ours.pictures
        for shape in [picture.pixels.shape]
    ]
    assert np.allclose(sorted(seen), sorted(kitty["pictures"]), atol=0.01)
    assert kitty["answers"] == ""
    assert "names" in kitty["lines"]


@pytest.mark.slow
@pytest.mark.parametrize("kept", [10, 3000, 9000])
def test_kitty_itself_is_well_after_a_picture_that_was_broken_off(kept: int) -> None:
    text = transmission(noise(120, 100), "C=1")[:kept] + KittyDrawing.end + "\n$ prompt\n"
    kitty = by_kitty(text + side_by_side([KittyDrawing(WINDOW).tile(noise(50, 50), 10, 5)]))
    assert "$ prompt" in kitty["lines"]
    assert np.allclose([picture[2:] for picture in kitty["pictures"]], [[5.0, 2.5]], atol=0.01)
    assert kitty["answers"] == ""


@pytest.mark.slow
def test_kitty_itself_answers_what_it_is_asked() -> None:
    kitty = by_kitty(QUERY)
    assert kitty["answers"].startswith(ANSWER.decode())
    assert kitty["lines"] == [""] * 24
