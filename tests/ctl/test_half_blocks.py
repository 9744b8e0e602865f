from __future__ import annotations

import itertools

import numpy as np
import pytest

from clipd.ctl.half_blocks import BlockDrawing, nearest_of_256
from clipd.ctl.tiles import RgbPicture, side_by_side
from tests.ctl.screen import BLACK, drawn

RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def picture(*rows: list[tuple[int, int, int]]) -> RgbPicture:
    return RgbPicture(len(rows[0]), len(rows), bytes(itertools.chain(*itertools.chain(*rows))))


def test_a_cell_shows_two_pixels_exactly() -> None:
    tile = BlockDrawing(is_true_colour=True).tile(picture([RED, GREEN], [BLUE, RED]), 2, 1)
    screen = drawn(side_by_side([tile]) + "after")
    assert screen.blocks_above(1, 0, 2).tolist() == [[[*RED], [*GREEN]], [[*BLUE], [*RED]]]
    after = screen.lines[1][0]
    assert (after.text, after.ground) == ("a", BLACK)


def test_the_lower_half_of_an_odd_row_is_left_alone() -> None:
    tile = BlockDrawing(is_true_colour=True).tile(picture([RED], [GREEN], [BLUE]), 1, 2)
    cells = [line[0] for line in drawn(side_by_side([tile])).lines[:2]]
    assert [(cell.ink, cell.ground) for cell in cells] == [(RED, GREEN), (BLUE, BLACK)]


def test_a_picture_lies_in_the_middle_of_its_tile() -> None:
    drawing = BlockDrawing(is_true_colour=False)
    tiles = [drawing.tile(picture([RED] * 2, [RED] * 2), columns=6, rows=3) for _ in range(2)]
    text = drawn(side_by_side(tiles)).text()
    assert text.splitlines()[:3] == ["", "  ▀▀      ▀▀", ""]


def test_a_colour_is_said_once_for_cells_that_share_it() -> None:
    tile = BlockDrawing(is_true_colour=True).tile(picture([RED] * 80, [RED] * 80), 80, 1)
    assert tile.lines[0].count("\x1b") == 2


def test_of_256_colours_the_nearest_is_taken() -> None:
    cube = [0, 95, 135, 175, 215, 255]
    table = {
        16 + 36 * r + 6 * g + b: (cube[r], cube[g], cube[b])
        for r, g, b in itertools.product(range(6), repeat=3)
    }
    table |= {232 + step: (8 + 10 * step,) * 3 for step in range(24)}
    numbers = list(table)
    colours = np.array(list(table.values()))
    for rgb in itertools.product(range(0, 256, 23), repeat=3):
        distances = ((colours - rgb) ** 2).sum(axis=1)
        taken = distances[numbers.index(nearest_of_256(bytes(rgb)))]
        assert taken <= distances.min() + 1, rgb


@pytest.mark.parametrize(("said", "code"), [("truecolor", "2;"), ("24bit", "2;"), ("", "5;")])
def test_the_environment_says_how_many_colours_there_are(
    monkeypatch: pytest.MonkeyPatch, said: str, code: str
) -> None:
    monkeypatch.setenv("COLORTERM", said)
    tile = BlockDrawing.of_environment().tile(picture([RED], [BLUE]), 1, 1)
    assert tile.lines[0].startswith(f"\x1b[38;{code}")
