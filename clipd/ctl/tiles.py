"""Pictures and boxes of text as tiles, of a given number of cells, that lie side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from clipd.ctl.text_width import cut_off, padded, shortened, width_of
from clipd.pathtext import one_line

GAP = 2  # columns between tiles
MOST_EDGE = 1024  # pixels of a picture that clipd makes
_LEAST_BOX = (6, 3)  # columns and rows: in less there is no room for a frame
_SAVE, _BACK = "\x1b7", "\x1b8"  # the place of the cursor


class RgbPicture(NamedTuple):
    """A small picture."""

    width: int  # pixels
    height: int
    rgb: bytes  # three a pixel, row by row from the top


class Tile(NamedTuple):
    """Lines of text, each as wide as the tile; and what a terminal draws over them."""

    lines: list[str]
    graphic: str = ""
    left: int = 0  # cells between the tile's upper left corner and the graphic's
    down: int = 0


class Drawing(Protocol):
    """A way in which a terminal shows pictures."""

    least_columns: int  # of a tile in a list: in less, little is to be seen
    end: str  # what ends a drawing that was broken off

    def box(self, columns: int, rows: int) -> tuple[int, int]:
        """Return how many pixels across and down there are in so many cells."""

    def rows_for(self, columns: int) -> int:
        """Return how many rows a picture takes that is a third wider than high."""

    def cells(self, picture: RgbPicture, columns: int, rows: int) -> tuple[int, int]:
        """Return how many columns and rows a picture takes of at most so many."""

    def tile(self, picture: RgbPicture, columns: int, rows: int) -> Tile:
        """Draw a picture that fits into the box of these cells, in their middle."""


def reason_tile(reason: str, columns: int, rows: int) -> Tile:
    """Draw a frame with a sentence in it, for a picture that cannot be shown."""
    text = one_line(reason)
    if columns < _LEAST_BOX[0] or rows < _LEAST_BOX[1]:
        lines = [shortened(text, columns)] + [""] * (rows - 1)
        return Tile([padded(line, columns) for line in lines])
    room = columns - 4
    lines = wrapped(text, room, rows - 2)
    lines = [""] * ((rows - 2 - len(lines)) // 2) + lines
    lines += [""] * (rows - 2 - len(lines))
    edge = "─" * (columns - 2)
    return Tile([f"┌{edge}┐", *(f"│ {padded(line, room)} │" for line in lines), f"└{edge}┘"])


def wrapped(text: str, room: int, most: int) -> list[str]:
    """Break a text between words into lines of so many columns; the last has dots if need be."""
    words = text.split()
    lines: list[str] = []
    while words:
        if len(lines) == most - 1:
            return [*lines, cut_off(" ".join(words), room)]
        line = words.pop(0)
        while words and width_of(line) + 1 + width_of(words[0]) <= room:
            line += " " + words.pop(0)
        lines.append(shortened(line, room))
    return lines


def side_by_side(tiles: Sequence[Tile]) -> str:
    """Return what draws tiles of one height in a row, from the left edge; it ends below them.

    The lines are written first, so that the terminal has scrolled as far as it will before a
    picture is placed on them: it moves with its lines from then on.
    """
    rows = len(tiles[0].lines)
    texts = ((" " * GAP).join(tile.lines[row] for tile in tiles).rstrip(" ") for row in range(rows))
    drawn = "".join(text + "\n" for text in texts)
    if not any(tile.graphic for tile in tiles):
        return drawn
    column = 1
    drawn += f"\x1b[{rows}A"
    for tile in tiles:
        if tile.graphic:
            down = f"\x1b[{tile.down}B" if tile.down else ""
            drawn += f"{_SAVE}{down}\x1b[{column + tile.left}G{tile.graphic}{_BACK}"
        column += width_of_tile(tile) + GAP
    return drawn + f"\x1b[{rows}B"


def width_of_tile(tile: Tile) -> int:
    """Return how many columns a tile takes; only what a graphic lies over is without escapes."""
    return width_of(tile.lines[0])
