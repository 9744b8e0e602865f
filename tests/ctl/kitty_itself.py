"""Run by ``kitty +runpy``: what kitty's own terminal makes of what it reads.

Reads standard input; prints JSON: its answers, its lines of text, and for each picture the column,
the line, the width and the height, all in cells.
"""

import json
import sys

from kitty.fast_data_types import Screen, parse_bytes, set_options  # type: ignore[import-not-found]
from kitty.options.types import defaults  # type: ignore[import-not-found]

COLUMNS, ROWS, CELL = 80, 24, (10, 20)


class Window:
    """What a screen tells its window."""

    def __init__(self) -> None:
        self.answers = b""

    def write(self, data: bytes) -> None:
        self.answers += data

    def __getattr__(self, name: str) -> object:
        return lambda *words, **named: None


def main() -> None:
    set_options(defaults)
    window = Window()
    screen = Screen(window, ROWS, COLUMNS, 500, *CELL, 0, window)
    parse_bytes(screen, sys.stdin.buffer.read())
    cell = (2 / COLUMNS, 2 / ROWS)
    layers = screen.grman.update_layers(0, -1, 1, *cell, COLUMNS, ROWS, *CELL)
    rects = [layer["dest_rect"] for layer in layers]
    pictures = [
        [
            (rect["left"] + 1) / cell[0],
            (1 - rect["top"]) / cell[1],
            (rect["right"] - rect["left"]) / cell[0],
            (rect["top"] - rect["bottom"]) / cell[1],
        ]
        for rect in rects
    ]
    lines = [str(screen.line(number)) for number in range(ROWS)]
    said = {"answers": window.answers.decode(), "lines": lines, "pictures": pictures}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
