"""The size of the terminal's window, in cells and in pixels."""

from __future__ import annotations

import fcntl
import struct
import sys
import termios
from typing import NamedTuple

from clipd.ctl.text_width import terminal_columns

_WINSIZE = struct.Struct("4H")  # ioctl_tty(2): rows, columns, pixels across and down
_USUAL_ROWS = 24
_USUAL_CELL = (10, 20)  # pixels; cells of most fonts are about twice as high as wide
_LEAST_CELL, _MOST_CELL = 2, 200  # pixels; what lies beyond is no measurement


class Window(NamedTuple):
    """How much room there is, and how large a cell is."""

    columns: int
    rows: int
    cell_width: int  # pixels
    cell_height: int
    is_measured: bool  # False: the terminal does not tell pixels, and a cell is taken for 1 to 2


def current_window() -> Window:
    """Return the size of the window that results go to, as it is now."""
    columns = terminal_columns()
    try:
        answer = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(_WINSIZE.size))
        rows, across, width, height = _WINSIZE.unpack(answer)
    except (OSError, ValueError):
        rows, across, width, height = 0, 0, 0, 0
    cell = (width // across, height // rows) if across and rows else (0, 0)
    is_measured = all(_LEAST_CELL <= edge <= _MOST_CELL for edge in cell)
    cell_width, cell_height = cell if is_measured else _USUAL_CELL
    return Window(columns, rows or _USUAL_ROWS, cell_width, cell_height, is_measured)
