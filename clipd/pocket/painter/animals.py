"""Animals, and a snowman."""

from __future__ import annotations

from random import Random

from clipd.pocket.painter.canvas import Brush, Colour
from clipd.pocket.painter.palette import darker, lighter, mix

_INK: Colour = (20, 18, 20)
_WHITE: Colour = (250, 250, 248)


def _eye(b: Brush, x: float, y: float, r: float, iris: Colour = _WHITE) -> None:
    b.disc(x, y, r, r, iris)
    b.disc(x, y, r * 0.55, r * 0.6, _INK)


def cat(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a sitting cat: pointed ears, whiskers, a raised tail."""
    shade = lighter(colour, 0.25) if sum(colour) < 150 else darker(colour, 0.75)
    b.line([(0.45, 0.9), (0.85, 0.7), (0.88, 0.1), (0.72, -0.1)], 0.16, colour)
    b.disc(0.0, 0.6, 0.55, 0.55, colour)
    b.box(-0.42, 0.6, 0.42, 1.0, colour)
    b.disc(0.0, 0.7, 0.2, 0.3, lighter(colour, 0.4))
    for side in (-1, 1):
        b.polygon([(side * 0.5, -0.3), (side * 0.48, -1.0), (side * 0.06, -0.6)], colour)
        b.polygon([(side * 0.42, -0.5), (side * 0.42, -0.85), (side * 0.2, -0.62)], (235, 150, 160))
    b.disc(0.0, -0.25, 0.54, 0.45, colour)
    for y in (-0.62, -0.5):
        b.line([(-0.14, y), (0.14, y)], 0.06, shade)
    for side in (-1, 1):
        _eye(b, side * 0.22, -0.3, 0.12, (170, 215, 60))
        for dy in (-0.06, 0.06):
            b.line(
                [(side * 0.15, -0.05), (side * 0.8, -0.05 + dy * 2)],
                0.025,
                _WHITE if sum(colour) < 300 else _INK,
            )
    b.polygon([(-0.08, -0.14), (0.08, -0.14), (0.0, -0.04)], (225, 110, 130))


def dog(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a standing dog from its side: hanging ear, long snout, four legs."""
    dark = lighter(colour, 0.2) if sum(colour) < 150 else darker(colour, 0.6)
    for x in (-0.72, -0.45, 0.2, 0.45):
        b.box(x - 0.1, 0.4, x + 0.1, 1.0, colour if x in (-0.72, 0.45) else dark)
    b.line([(-0.8, 0.1), (-1.05, -0.3)], 0.14, colour)
    b.disc(-0.15, 0.25, 0.75, 0.35, colour)
    b.polygon([(0.2, 0.35), (0.25, -0.4), (0.7, -0.3), (0.6, 0.3)], colour)
    b.disc(0.52, -0.42, 0.34, 0.3, colour)
    b.box(0.6, -0.45, 1.05, -0.15, colour)
    b.disc(1.03, -0.38, 0.1, 0.09, _INK)
    b.disc(0.28, -0.3, 0.14, 0.36, dark)
    _eye(b, 0.6, -0.5, 0.08)
    b.line([(0.22, 0.05), (0.66, 0.0)], 0.09, (200, 40, 50))


def bird(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a perched songbird from its side."""
    b.polygon([(-0.4, 0.3), (-1.1, 0.55), (-1.05, 0.8), (-0.3, 0.6)], darker(colour, 0.65))
    for x in (-0.05, 0.15):
        b.line([(x, 0.65), (x, 1.0)], 0.06, (200, 120, 30))
    b.disc(0.0, 0.25, 0.62, 0.48, colour)
    b.disc(0.18, 0.4, 0.38, 0.3, lighter(colour, 0.6))
    b.disc(-0.15, 0.2, 0.42, 0.25, darker(colour, 0.7))
    b.disc(0.45, -0.25, 0.36, 0.34, colour)
    b.polygon([(0.76, -0.34), (1.12, -0.18), (0.74, -0.1)], (245, 165, 30))
    _eye(b, 0.52, -0.32, 0.1)


def fish(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a fish from its side: tail fin, stripes, round eye."""
    fin = darker(colour, 0.75)
    b.polygon([(-0.5, 0.0), (-1.05, -0.5), (-0.92, 0.0), (-1.05, 0.5)], fin)
    b.polygon([(-0.3, -0.35), (0.1, -0.75), (0.35, -0.35)], fin)
    b.polygon([(-0.15, 0.35), (0.0, 0.65), (0.25, 0.35)], fin)
    b.disc(0.1, 0.0, 0.75, 0.45, colour)
    for x, h in ((-0.2, 0.38), (0.15, 0.43)):
        b.box(x - 0.06, -h, x + 0.06, h, lighter(colour, 0.7))
    _eye(b, 0.58, -0.1, 0.13)


def butterfly(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a butterfly with spread, dotted wings."""
    edge = darker(colour, 0.35)
    for side in (-1, 1):
        for x, y, rx, ry in ((0.52, -0.4, 0.5, 0.46), (0.42, 0.45, 0.38, 0.38)):
            b.disc(side * x, y, rx, ry, edge)
            b.disc(side * x, y, rx * 0.82, ry * 0.82, colour)
        b.disc(side * 0.66, -0.45, 0.12, 0.12, _WHITE)
        b.disc(side * 0.48, 0.5, 0.09, 0.09, _WHITE)
        b.line([(0.0, -0.55), (side * 0.2, -1.0)], 0.04, _INK)
    b.disc(0.0, 0.0, 0.1, 0.62, _INK)


def penguin(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a penguin facing us."""
    coat = mix(rng, (0.58, 0.66), (0.2, 0.5), (0.1, 0.2))
    for side in (-1, 1):
        b.disc(side * 0.22, 0.96, 0.2, 0.08, (245, 150, 30))
        b.polygon([(side * 0.4, -0.2), (side * 0.78, 0.45), (side * 0.45, 0.35)], coat)
    b.disc(0.0, 0.3, 0.52, 0.68, coat)
    b.disc(0.0, -0.55, 0.36, 0.4, coat)
    b.disc(0.0, 0.4, 0.36, 0.54, _WHITE)
    for side in (-1, 1):
        b.disc(side * 0.13, -0.5, 0.16, 0.2, _WHITE)
        b.disc(side * 0.12, -0.55, 0.06, 0.07, _INK)
    b.polygon([(-0.13, -0.42), (0.13, -0.42), (0.0, -0.2)], (245, 160, 30))


def turtle(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a turtle from its side under a domed shell."""
    skin = mix(rng, (0.2, 0.28), (0.45, 0.65), (0.55, 0.7))
    shell = mix(rng, (0.08, 0.13), (0.55, 0.75), (0.35, 0.5))
    for x in (-0.5, 0.4):
        b.disc(x, 0.85, 0.18, 0.2, skin)
    b.disc(0.92, 0.25, 0.25, 0.2, skin)
    b.polygon([(0.45, 0.75), (0.75, 0.2), (0.95, 0.4), (0.7, 0.8)], skin)
    b.disc(-0.05, 0.75, 0.82, 0.8, shell, start=180, end=360)
    b.box(-0.87, 0.7, 0.77, 0.8, darker(shell, 0.7))
    for x, y in ((-0.5, 0.5), (-0.05, 0.42), (0.38, 0.5), (-0.28, 0.15), (0.18, 0.15)):
        b.disc(x, y, 0.15, 0.13, lighter(shell, 0.3))
    _eye(b, 1.0, 0.2, 0.06)


def snowman(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a snowman with hat, scarf and carrot nose."""
    snow, scarf = (246, 249, 255), mix(rng, (0.0, 1.0), (0.8, 1.0), (0.6, 0.9))
    for x, tip in ((-0.35, -1.0), (0.35, 1.0)):
        b.line([(x, 0.05), (tip, -0.25)], 0.06, (90, 60, 40))
    for y, r in ((0.6, 0.45), (0.02, 0.34), (-0.42, 0.26)):
        b.disc(0.0, y, r + 0.03, None, (190, 205, 228))
        b.disc(0.0, y, r, None, snow)
    b.line([(-0.26, -0.2), (0.26, -0.2)], 0.13, scarf)
    b.box(0.1, -0.2, 0.24, 0.15, scarf)
    b.box(-0.36, -0.68, 0.36, -0.6, _INK)
    b.box(-0.22, -1.0, 0.22, -0.62, _INK)
    for x in (-0.1, 0.1):
        b.disc(x, -0.48, 0.04, None, _INK)
    b.polygon([(0.0, -0.44), (0.34, -0.36), (0.0, -0.34)], (250, 130, 30))
    for y in (0.0, 0.15):
        b.disc(0.0, y, 0.05, None, _INK)
