"""Pictures in kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/).

A picture is placed at the cursor and moves with its lines. Placeholders in the text would also
survive a terminal in the terminal (tmux), but WezTerm and Konsole do not have them.
"""

from __future__ import annotations

import base64
import zlib
from math import ceil

from clipd.ctl.tiles import MOST_EDGE, RgbPicture, Tile
from clipd.ctl.window import Window

_CHUNK_BYTES = 4096  # of base64: the most that the protocol allows


class KittyDrawing:
    """Draws pixels as they are.

    Args:
        window: whose cells they lie in.
    """

    least_columns = 18
    end = "\x1b\\\x1b_Gq=2,m=0;\x1b\\"  # the sequence, then the picture of which more was to come

    def __init__(self, window: Window) -> None:
        self._window = window

    def box(self, columns: int, rows: int) -> tuple[int, int]:
        """Return the pixels of so many cells."""
        return columns * self._window.cell_width, rows * self._window.cell_height

    def rows_for(self, columns: int) -> int:
        """Return the rows of a picture that is a third wider than high."""
        height = columns * self._window.cell_width * 3 / 4
        return max(1, round(height / self._window.cell_height))

    def cells(self, picture: RgbPicture, columns: int, rows: int) -> tuple[int, int]:
        """Return how many columns and rows a picture takes of at most so many.

        It takes all that it can where clipd has made it smaller than the room that there is.
        """
        width, height = self._window.cell_width, self._window.cell_height
        scale = 1.0
        if self._is_to_be_enlarged(picture):
            scale = min(columns * width / picture.width, rows * height / picture.height)
        across = ceil(picture.width * scale / width)
        down = ceil(picture.height * scale / height)
        return min(columns, across), min(rows, down)

    def _is_to_be_enlarged(self, picture: RgbPicture) -> bool:
        return max(picture.width, picture.height) >= MOST_EDGE

    def tile(self, picture: RgbPicture, columns: int, rows: int) -> Tile:
        """Draw a picture in the middle of its cells."""
        across, down = self.cells(picture, columns, rows)
        # Where pixels were guessed, too, the terminal has to fit them into the cells.
        is_scaled = self._is_to_be_enlarged(picture) or not self._window.is_measured
        scaled = f",c={across},r={down}" if is_scaled else ""
        graphic = transmission(picture, f"C=1{scaled}")
        blank = " " * columns
        return Tile([blank] * rows, graphic, (columns - across) // 2, (rows - down) // 2)


def transmission(picture: RgbPicture, placement: str) -> str:
    """Return what sends a picture and shows it at the cursor.

    Args:
        placement: keys of the protocol that say how.
    """
    keys = f"a=T,q=2,f=24,s={picture.width},v={picture.height},o=z,{placement}"
    content = base64.b64encode(zlib.compress(picture.rgb, 1)).decode("ascii")
    chunks = [content[at : at + _CHUNK_BYTES] for at in range(0, len(content), _CHUNK_BYTES)]
    heads = [keys, *["q=2"] * (len(chunks) - 1)]
    mores = [1] * (len(chunks) - 1) + [0]
    return "".join(
        f"\x1b_G{head},m={more};{chunk}\x1b\\"
        for head, more, chunk in zip(heads, mores, chunks, strict=True)
    )
