"""The canvas and its brushes: polygons in units of the picture's shorter side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Twice the pixels, then a reduction: Pillow's polygons are not anti-aliased.
OVERSAMPLING = 2


def blend(first: Colour, second: Colour, part: float) -> Colour:
    """Give the colour that lies `part` (0..1) of the way from the first to the second."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    red, green, blue = (a + (b - a) * part).round().astype(int).tolist()
    return red, green, blue


class Canvas:
    """A picture being painted.

    Its unit is the shorter side, and the square in the middle, which is all that a model sees,
    runs from (0, 0) at the top left to (1, 1). What is painted under `light` is tinted by it.
    """

    def __init__(self, size: tuple[int, int], light: tuple[float, float, float]) -> None:
        self.size = size
        self.light = light
        width, height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
        self.scale = min(width, height)
        self.origin = ((width - self.scale) / 2, (height - self.scale) / 2)
        self.image = Image.new("RGB", (width, height))
        self.pen = ImageDraw.Draw(self.image)

    @property
    def left(self) -> float:
        """The x of the left edge, 0 or less."""
        return -self.origin[0] / self.scale

    @property
    def top(self) -> float:
        """The y of the upper edge, 0 or less."""
        return -self.origin[1] / self.scale

    def lit(self, colour: Colour) -> Colour:
        """Give the colour as it looks in this picture's light."""
        red, green, blue = (
            min(255, round(part * gain)) for part, gain in zip(colour, self.light, strict=True)
        )
        return red, green, blue

    def to_pixels(self, points: Sequence[Point]) -> list[Point]:
        """Turn points in units into points in pixels."""
        ox, oy = self.origin
        return [(ox + x * self.scale, oy + y * self.scale) for x, y in points]

    def gradient(self, above: Colour, below: Colour, start: float, end: float) -> None:
        """Fill the rows between two heights with a blend; the colours are taken as they are."""
        first = max(0, round(self.origin[1] + start * self.scale))
        last = min(self.image.height, round(self.origin[1] + end * self.scale))
        if last <= first:
            return
        part = np.linspace(0.0, 1.0, last - first)[:, None]
        rows = np.asarray(above, float) * (1 - part) + np.asarray(below, float) * part
        column = Image.fromarray(rows.astype(np.uint8)[:, None, :])
        band = column.resize((self.image.width, last - first), Image.Resampling.NEAREST)
        self.image.paste(band, (0, first))

    def brush(self) -> Brush:
        """Give the brush that paints in the canvas's own units."""
        return Brush(self)

    def finish(self) -> Image.Image:
        """Give the picture at its final size."""
        return self.image.reduce(OVERSAMPLING)


@dataclass(frozen=True, slots=True)
class Brush:
    """Paints shapes in a frame of its own: moved, scaled, tilted or mirrored on the canvas.

    In the frame of a thing, the thing fills about -1..1 both ways and stands on y = 1.
    """

    canvas: Canvas
    x: float = 0.0
    y: float = 0.0
    size: float = 1.0
    tilt: float = 0.0
    mirror: float = 1.0

    def at(
        self, x: float, y: float, size: float = 1.0, tilt: float = 0.0, mirror: bool = False
    ) -> Brush:
        """Give a brush whose frame is centred on a point of this one's."""
        ((cx, cy),) = self._placed([(x, y)])
        return replace(
            self,
            x=cx,
            y=cy,
            size=self.size * size,
            tilt=self.tilt + tilt * self.mirror,
            mirror=-self.mirror if mirror else self.mirror,
        )

    def _placed(self, points: Sequence[Point]) -> list[Point]:
        cos, sin = math.cos(self.tilt) * self.size, math.sin(self.tilt) * self.size
        return [
            (self.x + px * self.mirror * cos - py * sin, self.y + px * self.mirror * sin + py * cos)
            for px, py in points
        ]

    def polygon(self, points: Sequence[Point], colour: Colour, *, glows: bool = False) -> None:
        """Fill a polygon; what glows keeps its colour in the dark."""
        pixels = self.canvas.to_pixels(self._placed(points))
        self.canvas.pen.polygon(pixels, colour if glows else self.canvas.lit(colour))

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, *, glows: bool = False
    ) -> None:
        """Fill a rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, glows=glows)

    def disc(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float | None = None,
        colour: Colour = (0, 0, 0),
        *,
        start: float = 0.0,
        end: float = 360.0,
        glows: bool = False,
    ) -> None:
        """Fill an ellipse, or the part of it between two angles, clockwise from the right."""
        self.polygon(arc(x, y, rx, rx if ry is None else ry, start, end), colour, glows=glows)

    def line(
        self, points: Sequence[Point], width: float, colour: Colour, *, glows: bool = False
    ) -> None:
        """Draw a line of a width in the frame's units."""
        pixels = self.canvas.to_pixels(self._placed(points))
        thick = max(1, round(width * self.size * self.canvas.scale))
        tint = colour if glows else self.canvas.lit(colour)
        self.canvas.pen.line(pixels, fill=tint, width=thick, joint="curve")


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Give the points of an elliptic arc between two angles in degrees, clockwise on screen."""
    steps = max(6, round(abs(end - start) / 12))
    angles = (math.radians(start + (end - start) * i / steps) for i in range(steps + 1))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]
