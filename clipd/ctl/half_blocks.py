"""Pictures as text: each cell an upper half block, which shows two pixels."""

from __future__ import annotations

import os

from clipd.ctl.output import RESET
from clipd.ctl.tiles import RgbPicture, Tile

_UPPER_HALF = "▀"
_CUBE = (0, 95, 135, 175, 215, 255)  # of colours 16 to 231 of xterm's 256
_FIRST_GREY, _GREYS = 232, 24  # 8, 18, ... 238


class BlockDrawing:
    """Draws in half blocks, of which every terminal with colours and Unicode has the glyph.

    Args:
        is_true_colour: whether the terminal has more than 256 colours.
    """

    least_columns = 19
    end = RESET

    def __init__(self, *, is_true_colour: bool) -> None:
        self._is_true_colour = is_true_colour
        self._codes: dict[bytes, str] = {}

    @classmethod
    def of_environment(cls) -> BlockDrawing:
        """Take as many colours as the terminal is said to have."""
        return cls(is_true_colour=os.environ.get("COLORTERM", "") in ("truecolor", "24bit"))

    def box(self, columns: int, rows: int) -> tuple[int, int]:
        """Return the pixels of so many cells: one across and two down for each."""
        return columns, 2 * rows

    def rows_for(self, columns: int) -> int:
        """Return the rows of a picture that is a third wider than high."""
        return max(1, columns * 3 // 8)

    def cells(self, picture: RgbPicture, columns: int, rows: int) -> tuple[int, int]:
        """Return how many columns and rows a picture takes: two of its rows lie in one."""
        return picture.width, (picture.height + 1) // 2

    def tile(self, picture: RgbPicture, columns: int, rows: int) -> Tile:
        """Draw a picture in the middle of its cells."""
        lines = self._lines(picture)
        left = (columns - picture.width) // 2
        right = columns - left - picture.width
        above = (rows - len(lines)) // 2
        empty = " " * columns
        drawn = [f"{' ' * left}{line}{' ' * right}" for line in lines]
        return Tile([*[empty] * above, *drawn, *[empty] * (rows - above - len(drawn))])

    def _lines(self, picture: RgbPicture) -> list[str]:
        return [self._line(picture, top) for top in range(0, picture.height, 2)]

    def _line(self, picture: RgbPicture, top: int) -> str:
        row_bytes = 3 * picture.width
        upper = picture.rgb[top * row_bytes : (top + 1) * row_bytes]
        lower = picture.rgb[(top + 1) * row_bytes : (top + 2) * row_bytes]
        line, before = "", ("", "")
        for at in range(0, row_bytes, 3):
            colours = (self._code(upper[at : at + 3]), self._code(lower[at : at + 3]))
            line += _changed(before, colours) + _UPPER_HALF
            before = colours
        return line + RESET

    def _code(self, rgb: bytes) -> str:
        """Return a colour as SGR (ECMA-48, 8.3.117) has it; "" for the lack of a pixel."""
        if not rgb:
            return ""
        if rgb not in self._codes:
            red, green, blue = rgb
            code = f"2;{red};{green};{blue}" if self._is_true_colour else f"5;{nearest_of_256(rgb)}"
            self._codes[rgb] = code
        return self._codes[rgb]


def nearest_of_256(rgb: bytes) -> int:
    """Return the number of the colour of xterm's cube or greys that is nearest."""
    steps = [min(range(6), key=lambda step, edge=edge: abs(_CUBE[step] - edge)) for edge in rgb]  # type: ignore[misc]
    grey = min(_GREYS - 1, max(0, round((sum(rgb) / 3 - 8) / 10)))
    in_cube = _distance(rgb, [_CUBE[step] for step in steps])
    if _distance(rgb, [8 + 10 * grey] * 3) < in_cube:
        return _FIRST_GREY + grey
    return 16 + 36 * steps[0] + 6 * steps[1] + steps[2]


def _distance(one: bytes, other: list[int]) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _changed(before: tuple[str, str], now: tuple[str, str]) -> str:
    """Return what turns the colours of one cell into those of the next."""
    parts = [f"38;{now[0]}"] if now[0] != before[0] else []
    if now[1] != before[1]:
        parts.append(f"48;{now[1]}")
    return f"\x1b[{';'.join(parts)}m" if parts else ""
