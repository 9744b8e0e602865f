"""How a terminal shows pictures, if it shows any."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clipd.ctl.graphics_query import kitty_graphics
from clipd.ctl.half_blocks import BlockDrawing
from clipd.ctl.hit_list import PLAIN_TERMINALS, keep_numbers, print_hits
from clipd.ctl.kitty import KittyDrawing
from clipd.ctl.output import is_lively, say
from clipd.ctl.picture_grid import print_grid
from clipd.ctl.tiles import Drawing
from clipd.ctl.window import current_window
from clipd.json_types import JsonObject

_LEAST_ROOM = (12, 8)  # columns and lines: in less, no picture says anything


def print_previews(hits: Sequence[JsonObject], mode: str) -> None:
    """Print hits on a terminal with pictures, or as lines where it shows none.

    Args:
        mode: see `chosen_drawing`.
    """
    with chosen_drawing(mode) as drawing:
        if drawing is None:
            print_hits(hits)
            return
        keep_numbers(hits)
        print_grid(hits, drawing)


@contextmanager
def chosen_drawing(mode: str) -> Iterator[Drawing | None]:
    """Yield how pictures are to be drawn in the block; None where they are not.

    Args:
        mode: "auto": only as pixels. "on": in half blocks where the terminal has no pixels.
    """
    reason = no_pictures()
    if reason:
        if mode == "on":
            say(f"{reason}, so that there are no pictures")
        yield None
        return
    with kitty_graphics() as has_pixels:
        if has_pixels:
            yield KittyDrawing(current_window())
        else:
            yield BlockDrawing.of_environment() if mode == "on" else None


def no_pictures() -> str:
    """Say why nothing can be drawn on standard output; "" where something can."""
    if sys.stdout is None or not sys.stdout.isatty():
        return "standard output is no terminal"
    if os.environ.get("NO_COLOR"):
        return "NO_COLOR is set"
    window = current_window()
    if window.columns < _LEAST_ROOM[0] or window.rows < _LEAST_ROOM[1]:
        return f"the window has {window.columns} columns and {window.rows} lines"
    name = os.environ.get("TERM", "")
    if not is_lively(sys.stdout) or name in PLAIN_TERMINALS:
        return f"the terminal has no colours (TERM={name})"
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return f"the terminal's characters are {sys.stdout.encoding}, not UTF-8"
    return ""
