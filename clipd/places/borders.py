"""Which country a position lies in, by the borders of all countries."""

from __future__ import annotations

import numpy as np

from clipd.places.world_file import Numbers, WorldFile

NOBODY = 255  # of a side of a border: the sea
_ROWS = 1024  # stripes of equal height, each with the borders that pass through it


class Borders:
    """The borders, as lines between points of a grid. A country is a number below ``NOBODY``."""

    def __init__(self, world: WorldFile) -> None:
        west, south, width, height = world.numbers("grid") / 1e9
        self._origin, self._step = (west, south), (width, height)
        lengths = world.numbers("arc_lengths")
        self._x = _points(world.numbers("arc_x"), world.numbers("step_x"), lengths)
        self._y = _points(world.numbers("arc_y"), world.numbers("step_y"), lengths)
        self._arc = np.repeat(np.arange(len(lengths)), lengths).astype(np.uint16)
        self._sides = np.stack([world.numbers("side_1"), world.numbers("side_2")])
        self._height = int(self._y.max()) // _ROWS + 1
        self._lines, self._starts = self._by_row(lengths)
        self.countries = frozenset(self._sides.ravel().tolist()) - {NOBODY}

    def country_at(self, lat: float, lon: float) -> int | None:
        """Return the country at a position; None for the sea.

        A line from there to the east crosses the border of the country an odd number of times,
        and those of all others an even number.
        """
        x = (lon - self._origin[0]) / self._step[0]
        y = (lat - self._origin[1]) / self._step[1]
        row = int(y // self._height)
        if not 0 <= row < _ROWS:
            return None
        lines = self._lines[self._starts[row] : self._starts[row + 1]]
        y1, y2 = self._y[lines], self._y[lines + 1]
        crossing = (y1 > y) != (y2 > y)
        lines, y1, y2 = lines[crossing], y1[crossing], y2[crossing]
        x1, x2 = self._x[lines], self._x[lines + 1]
        is_east = x1 + (y - y1) * (x2 - x1) / (y2 - y1) > x
        sides = self._sides[:, self._arc[lines[is_east]]]
        crossed = np.bincount(sides.ravel(), minlength=NOBODY + 1)[:NOBODY]
        inside = np.flatnonzero(crossed % 2)
        return int(inside[0]) if len(inside) else None

    def _by_row(self, lengths: Numbers) -> tuple[Numbers, Numbers]:
        """Return the lines sorted by the rows that they pass through, and where each row begins."""
        is_last = np.zeros(len(self._y), bool)
        is_last[np.cumsum(lengths) - 1] = True
        lines = np.flatnonzero(~is_last)
        rows = np.stack([self._y[lines], self._y[lines + 1]]) // self._height
        low, high = rows.min(axis=0), rows.max(axis=0)
        counts = high - low + 1
        each = np.repeat(lines, counts)
        within = np.arange(len(each)) - np.repeat(np.cumsum(counts) - counts, counts)
        row = np.repeat(low, counts) + within
        order = np.argsort(row, kind="stable")
        starts = np.searchsorted(row[order], np.arange(_ROWS + 1))
        by_row: Numbers = each[order].astype(np.int32)
        return by_row, starts


def _points(firsts: Numbers, steps: Numbers, lengths: Numbers) -> Numbers:
    """Return one coordinate of all points: of each arc the first, then steps from one to the next.

    Args:
        steps: with a 0 for the first point of each arc.
    """
    walked = np.cumsum(steps)
    first = np.cumsum(lengths) - lengths
    points: Numbers = (walked + np.repeat(firsts - walked[first], lengths)).astype(np.int32)
    return points
