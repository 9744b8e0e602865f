"""Pictures in the terminal, of the real daemon, read back from what was drawn."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal
from tests.ctl.screen import Screen
from tests.daemon import album
from tests.daemon.harness import Daemon

pytestmark = pytest.mark.slow
# Mean difference of a colour, of 255: of two ways to make a photo small, and of 256 colours.
CLOSE, IN_256_COLOURS = 6.0, 25.0


@pytest.fixture
def photos(shared: Daemon, folder: Path) -> Path:
    """The seed pictures, copied into the shared library and found."""
    shared.wait_found(album.fill(folder), album.SEED)
    return folder


def searched(
    shared: Daemon, photos: Path, terminal: DrawingTerminal, words: str, **environment: str
) -> Screen:
    """Search in a folder for its photos."""
    line = f"cd '{photos}'; clipctl {words} in:. --anyway"
    return terminal.run(Ctl(shared.socket), line, **environment)


def difference(name: str, drawn: NDArray[np.uint8]) -> float:
    """Compare what was drawn with a seed picture of the same size."""
    photo = Image.open(io.BytesIO(album.picture(album.SEED[name])))
    wanted = np.asarray(photo.resize(drawn.shape[1::-1]), np.int16)
    return float(np.abs(wanted - drawn).mean())


@pytest.mark.parametrize(("columns", "tile"), [(40, 19), (80, 25), (200, 20)])
@pytest.mark.parametrize(("colours", "most"), [("truecolor", CLOSE), ("", IN_256_COLOURS)])
def test_half_blocks_show_the_photos(
    shared: Daemon, photos: Path, columns: int, tile: int, colours: str, most: float
) -> None:
    terminal = DrawingTerminal(columns, kind="plain")
    words = "sunset --preview on"
    screen = searched(shared, photos, terminal, words, COLORTERM=colours)

    places = screen.places_of(".jpg")
    assert not screen.unknown
    assert set(places) == set(album.SEED)
    for name, (line, column) in places.items():
        drawn = screen.blocks_above(line - 1, column, tile)
        assert drawn.shape[0] >= 14
        assert drawn.shape[1] >= tile - 1
        assert difference(name, drawn) < most


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_with_pixels_shows_the_photos(
    shared: Daemon, photos: Path, columns: int
) -> None:
    screen = searched(shared, photos, DrawingTerminal(columns), "sunset")

    names = list(screen.places_of(".jpg"))
    assert not screen.unknown
    assert set(names) == set(album.SEED)
    for name, picture in zip(names, screen.pictures, strict=True):
        assert picture.pixels.shape[1] >= 170
        assert difference(name, picture.pixels) < CLOSE
