"""Things that people build, and the vehicles they travel in."""

from __future__ import annotations

from random import Random

from clipd.pocket.painter.canvas import Brush, Colour
from clipd.pocket.painter.palette import around, darker, lighter, mix

_GLASS: Colour = (190, 225, 245)
_RUBBER: Colour = (28, 28, 32)
_STONE: Colour = (150, 145, 140)
_LAMPLIGHT: Colour = (255, 226, 120)


def house(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a house with coloured walls and a pitched roof."""
    roof = mix(rng, (0.02, 0.06), (0.4, 0.6), (0.3, 0.45))
    b.box(0.35, -0.85, 0.6, -0.2, darker(roof, 0.8))
    b.box(-0.8, -0.1, 0.8, 1.0, colour)
    b.polygon([(-1.0, -0.08), (0.0, -0.95), (1.0, -0.08)], roof)
    b.box(-0.18, 0.4, 0.18, 1.0, (84, 54, 36))
    for x in (-0.52, 0.52):
        b.box(x - 0.2, 0.15, x + 0.2, 0.55, (245, 245, 245))
        b.box(x - 0.15, 0.2, x + 0.15, 0.5, _LAMPLIGHT, glows=True)


def castle(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a stone castle with towers, battlements and flags."""
    stone = around(rng, _STONE)
    b.box(-0.7, 0.0, 0.7, 1.0, stone)
    for i in range(5):
        b.box(-0.62 + i * 0.27, -0.13, -0.48 + i * 0.27, 0.0, stone)
    cone = mix(rng, (0.58, 1.02), (0.6, 0.8), (0.4, 0.7))
    for x, top in ((-0.8, -0.35), (0.8, -0.35), (0.0, -0.55)):
        b.box(x - 0.2, top, x + 0.2, 1.0, darker(stone, 0.85))
        b.polygon([(x - 0.27, top), (x, top - 0.42), (x + 0.27, top)], cone)
        b.box(x - 0.05, top + 0.2, x + 0.05, top + 0.42, (40, 36, 40))
    b.disc(0.0, 0.75, 0.2, 0.25, (50, 36, 28))
    b.box(-0.2, 0.75, 0.2, 1.0, (50, 36, 28))


def lighthouse(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a lighthouse in red and white stripes, its lamp lit."""
    stripe = mix(rng, (-0.01, 0.01), (0.8, 0.95), (0.7, 0.9))
    b.polygon([(-1.1, -1.0), (0.0, -0.72), (-1.1, -0.5)], lighter(_LAMPLIGHT), glows=True)
    for i in range(5):
        y0, y1 = -0.5 + i * 0.3, -0.2 + i * 0.3
        w0, w1 = 0.2 + i * 0.04, 0.24 + i * 0.04
        tint = stripe if i % 2 == 0 else (248, 248, 244)
        b.polygon([(-w0, y0), (w0, y0), (w1, y1), (-w1, y1)], tint)
    b.box(-0.28, -0.56, 0.28, -0.48, (50, 50, 56))
    b.box(-0.15, -0.86, 0.15, -0.56, _LAMPLIGHT, glows=True)
    b.polygon([(-0.22, -0.84), (0.0, -1.02), (0.22, -0.84)], stripe)


def windmill(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a windmill with four latticed sails."""
    wall = mix(rng, (0.05, 0.12), (0.1, 0.35), (0.75, 0.95))
    b.polygon([(-0.26, -0.3), (0.26, -0.3), (0.46, 1.0), (-0.46, 1.0)], wall)
    b.disc(0.0, -0.3, 0.28, 0.22, (110, 60, 40))
    b.box(-0.12, 0.65, 0.12, 1.0, (80, 50, 34))
    turn = rng.uniform(0.3, 1.2)
    for i in range(4):
        sail = b.at(0.0, -0.3, tilt=turn + i * 1.5708)
        sail.box(0.2, -0.02, 0.88, 0.17, (238, 232, 215))
        sail.line([(0.0, 0.0), (0.9, 0.0)], 0.07, (70, 50, 38))
    b.disc(0.0, -0.3, 0.07, 0.07, (50, 36, 28))


def tent(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a ridge tent with its flap open."""
    b.polygon([(-0.35, -0.55), (0.55, -0.55), (1.0, 1.0), (0.3, 1.0)], darker(colour, 0.72))
    b.polygon([(-0.35, -0.55), (0.35, 1.0), (-1.0, 1.0)], colour)
    b.polygon([(-0.35, -0.1), (-0.08, 1.0), (-0.62, 1.0)], (42, 36, 36))
    b.line([(-0.35, -0.55), (-1.15, 0.95)], 0.03, (240, 240, 230))


def _wheels(b: Brush, places: tuple[float, ...], y: float, radius: float) -> None:
    for x in places:
        b.disc(x, y, radius, radius, _RUBBER)
        b.disc(x, y, radius * 0.5, radius * 0.5, (185, 185, 190))


def car(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a car from its side."""
    b.polygon([(-0.55, 0.3), (-0.36, -0.12), (0.26, -0.12), (0.58, 0.3)], colour)
    b.polygon([(-0.42, 0.28), (-0.29, -0.02), (-0.06, -0.02), (-0.06, 0.28)], _GLASS)
    b.polygon([(0.02, 0.28), (0.02, -0.02), (0.22, -0.02), (0.44, 0.28)], _GLASS)
    b.polygon(
        [(-1.0, 0.38), (-0.94, 0.28), (0.7, 0.28), (1.0, 0.42), (1.0, 0.78), (-1.0, 0.78)], colour
    )
    b.box(-1.0, 0.68, 1.0, 0.78, darker(colour, 0.6))
    b.disc(0.93, 0.5, 0.07, 0.06, _LAMPLIGHT, glows=True)
    _wheels(b, (-0.55, 0.57), 0.78, 0.22)


def bus(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a long bus from its side, a row of windows along it."""
    b.box(-1.15, -0.35, 1.15, 0.8, colour)
    b.box(-1.15, 0.62, 1.15, 0.8, darker(colour, 0.6))
    for i in range(5):
        b.box(-1.05 + i * 0.36, -0.2, -0.77 + i * 0.36, 0.2, _GLASS)
    b.box(0.8, -0.2, 1.05, 0.75, darker(_GLASS, 0.8))
    _wheels(b, (-0.68, 0.5), 0.82, 0.19)


def bicycle(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a bicycle from its side: two thin wheels and a frame."""
    for x in (-0.58, 0.58):
        b.disc(x, 0.58, 0.44, 0.44, _RUBBER)
        b.disc(x, 0.58, 0.36, 0.36, (205, 210, 212))
        for turn in (0.2, 1.25, 2.3):
            spoke = b.at(x, 0.58, tilt=turn)
            spoke.line([(-0.36, 0.0), (0.36, 0.0)], 0.02, (140, 140, 140))
    frame = [(-0.58, 0.58), (-0.22, -0.08), (0.4, -0.08), (-0.02, 0.58), (-0.58, 0.58)]
    b.line(frame, 0.1, colour)
    b.line([(-0.02, 0.58), (-0.28, -0.22)], 0.1, colour)
    b.line([(0.58, 0.58), (0.36, -0.35), (0.6, -0.42)], 0.09, colour)
    b.box(-0.45, -0.32, -0.12, -0.2, (36, 30, 30))


def train(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a steam train with a wagon on rails."""
    b.box(-1.5, 0.96, 1.5, 1.02, (90, 80, 76))
    b.box(-1.3, 0.0, -0.4, 0.72, darker(colour, 0.8))
    for i in range(3):
        b.box(-1.22 + i * 0.28, 0.12, -1.02 + i * 0.28, 0.38, _GLASS)
    b.box(-0.25, -0.4, 0.25, 0.75, colour)
    b.box(-0.32, -0.5, 0.32, -0.38, (40, 40, 46))
    b.box(-0.14, -0.28, 0.14, 0.05, _GLASS)
    b.box(0.25, 0.0, 1.1, 0.6, colour)
    b.box(0.25, 0.6, 1.15, 0.75, (44, 44, 50))
    b.polygon([(0.75, 0.0), (0.7, -0.38), (1.0, -0.38), (0.95, 0.0)], (44, 44, 50))
    for i in range(4):
        b.disc(0.75 - i * 0.3, -0.6 - i * 0.12, 0.16 + i * 0.05, None, (225, 225, 228))
    _wheels(b, (-1.1, -0.6, -0.05, 0.45, 0.9), 0.83, 0.16)


def airplane(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint an airliner in flight."""
    tint = mix(rng, (0.0, 1.0), (0.5, 0.9), (0.5, 0.8))
    body = (244, 246, 250)
    b.polygon([(-0.1, -0.1), (-0.4, -0.75), (-0.22, -0.75), (0.3, -0.1)], darker(body, 0.85))
    b.polygon([(-0.75, 0.0), (-1.05, -0.55), (-0.85, -0.55), (-0.5, -0.05)], tint)
    b.disc(0.0, 0.05, 1.0, 0.18, body)
    b.polygon([(0.3, 0.08), (-0.45, 0.75), (-0.25, 0.78), (0.6, 0.1)], darker(body, 0.72))
    for i in range(7):
        b.box(-0.55 + i * 0.17, -0.03, -0.47 + i * 0.17, 0.05, (70, 110, 160))
    b.polygon([(0.78, -0.05), (0.92, -0.02), (0.9, 0.04), (0.74, 0.04)], (60, 80, 110))


def hot_air_balloon(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a striped hot air balloon with its basket."""
    b.polygon([(-0.66, 0.1), (0.66, 0.1), (0.16, 0.66), (-0.16, 0.66)], colour)
    b.disc(0.0, -0.25, 0.75, 0.75, colour)
    stripe = (250, 248, 236)
    for x, wide in ((-0.4, 0.13), (0.0, 0.16), (0.4, 0.13)):
        b.disc(x, -0.25, wide, 0.7, stripe)
        b.polygon([(x - wide, -0.1), (x + wide, -0.1), (x * 0.25, 0.64)], stripe)
    b.line([(-0.15, 0.66), (-0.13, 0.82)], 0.03, (80, 60, 44))
    b.line([(0.15, 0.66), (0.13, 0.82)], 0.03, (80, 60, 44))
    b.box(-0.17, 0.8, 0.17, 1.02, (138, 92, 52))


def rocket(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a rocket rising on its flame."""
    fin = mix(rng, (-0.01, 0.02), (0.8, 0.95), (0.7, 0.9))
    b.polygon([(-0.2, 0.5), (0.2, 0.5), (0.0, 1.15)], (255, 150, 30), glows=True)
    b.polygon([(-0.1, 0.5), (0.1, 0.5), (0.0, 0.88)], (255, 240, 140), glows=True)
    b.polygon([(-0.25, 0.1), (-0.55, 0.65), (-0.2, 0.52)], fin)
    b.polygon([(0.25, 0.1), (0.55, 0.65), (0.2, 0.52)], fin)
    b.box(-0.25, -0.45, 0.25, 0.55, (240, 242, 246))
    b.polygon([(-0.25, -0.44), (-0.14, -0.8), (0.0, -1.0), (0.14, -0.8), (0.25, -0.44)], fin)
    b.disc(0.0, -0.15, 0.14, 0.14, (50, 80, 130))
    b.disc(0.0, -0.15, 0.09, 0.09, _GLASS)


def sailing_boat(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a boat under coloured sails."""
    b.line([(0.0, -1.0), (0.0, 0.6)], 0.05, (92, 66, 46))
    b.polygon([(0.07, -0.95), (0.07, 0.48), (0.85, 0.48)], colour)
    b.polygon([(-0.07, -0.75), (-0.07, 0.48), (-0.62, 0.48)], darker(colour, 0.88))
    hull = mix(rng, (0.04, 0.07), (0.5, 0.7), (0.3, 0.5))
    b.polygon([(-0.9, 0.58), (1.0, 0.58), (0.66, 0.98), (-0.62, 0.98)], hull)
    b.box(-0.88, 0.58, 0.98, 0.66, lighter(hull, 0.6))
