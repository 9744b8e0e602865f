"""Food and household things."""

from __future__ import annotations

import math
from random import Random

from clipd.pocket.painter.canvas import Brush, Colour, arc
from clipd.pocket.painter.palette import around, darker, lighter, mix

_INK: Colour = (24, 22, 24)
_WHITE: Colour = (250, 250, 246)
_WOOD: Colour = (150, 98, 56)


def cake(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a two-storey cake with icing and lit candles."""
    b.disc(0.0, 0.92, 1.0, 0.12, (205, 208, 214))
    for x0, y0, y1 in ((0.8, 0.25, 0.92), (0.52, -0.3, 0.28)):
        b.box(-x0, y0, x0, y1, colour)
        b.box(-x0, (y0 + y1) / 2, x0, (y0 + y1) / 2 + 0.1, lighter(darker(colour, 0.7), 0.1))
        b.box(-x0, y0 - 0.06, x0, y0 + 0.08, lighter(colour, 0.75))
        for i in range(5):
            b.disc(-x0 + (i + 0.5) * x0 * 0.4, y0 + 0.08, x0 * 0.16, 0.1, lighter(colour, 0.75))
    for x in (-0.3, 0.0, 0.3):
        b.box(x - 0.04, -0.68, x + 0.04, -0.36, mix(rng, (0.0, 1.0), (0.6, 0.9), (0.8, 1.0)))
        b.disc(x, -0.78, 0.06, 0.12, (255, 205, 60), glows=True)


def apple(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint an apple with its stalk and a leaf."""
    b.line([(0.0, -0.4), (0.1, -0.85)], 0.08, (92, 60, 36))
    b.polygon([(0.08, -0.65), (0.35, -0.95), (0.65, -0.78), (0.4, -0.58)], (70, 150, 50))
    for x in (-0.32, 0.32):
        b.disc(x, 0.1, 0.52, 0.6, colour)
    b.disc(0.0, 0.4, 0.6, 0.58, colour)
    b.disc(0.0, -0.42, 0.2, 0.09, darker(colour, 0.6))
    b.disc(-0.45, -0.05, 0.13, 0.22, lighter(colour, 0.55))


def banana(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a bunch of two bent bananas."""
    for turn in (0.35, 0.0):
        part = b.at(0.0, 0.0, tilt=turn)
        skin = mix(rng, (0.135, 0.15), (0.75, 0.95), (0.92, 1.0))
        outer = arc(0.0, -0.5, 1.0, 1.3, 15, 150)
        inner = arc(0.0, -0.65, 0.82, 0.95, 150, 15)
        part.polygon(outer + inner, skin)
        part.line(arc(0.0, -0.55, 0.9, 1.14, 30, 140), 0.05, darker(skin, 0.8))
        part.disc(outer[0][0] - 0.06, outer[0][1] - 0.08, 0.12, 0.12, (90, 66, 30))


def pizza(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a round pizza from above, sliced, with salami and herbs."""
    b.disc(0.0, 0.0, 1.0, 1.0, (196, 130, 62))
    b.disc(0.0, 0.0, 0.86, 0.86, (205, 60, 36))
    b.disc(0.0, 0.0, 0.81, 0.81, around(rng, (250, 208, 96), 10))
    turn = rng.uniform(0, 1)
    for i in range(8):
        angle, reach = turn + i * 0.785, (0.58 if i % 2 else 0.34)
        x, y = reach * math.cos(angle), reach * math.sin(angle)
        b.disc(x, y, 0.15, 0.15, (186, 44, 36))
        b.disc(-x * 0.8, y * 0.7, 0.07, 0.05, (60, 120, 40))
    for i in range(3):
        cut = b.at(0.0, 0.0, tilt=turn + i * 1.05)
        cut.line([(-1.0, 0.0), (1.0, 0.0)], 0.03, (150, 92, 42))


def ice_cream(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint two scoops in a waffle cone."""
    waffle = mix(rng, (0.085, 0.1), (0.5, 0.65), (0.8, 0.92))
    b.polygon([(-0.42, 0.0), (0.42, 0.0), (0.0, 1.05)], waffle)
    for x in (-0.2, 0.0, 0.2):
        b.line([(x, 0.0), (0.2 + x * 0.2, 0.5)], 0.03, darker(waffle))
        b.line([(x, 0.0), (-0.2 + x * 0.2, 0.5)], 0.03, darker(waffle))
    b.disc(0.0, -0.12, 0.5, 0.36, darker(colour, 0.9))
    b.disc(0.0, -0.52, 0.42, 0.4, colour)
    b.disc(-0.14, -0.66, 0.1, 0.09, lighter(colour, 0.6))
    b.disc(0.05, -0.95, 0.11, 0.11, (210, 30, 50))


def cup(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a steaming cup on a saucer."""
    b.disc(0.0, 0.9, 0.95, 0.13, lighter(colour, 0.3) if sum(colour) < 150 else darker(colour, 0.8))
    b.disc(0.66, 0.25, 0.34, 0.32, colour)
    b.disc(0.66, 0.25, 0.19, 0.18, (226, 222, 216))
    b.polygon([(-0.7, -0.2), (0.7, -0.2), (0.45, 0.88), (-0.45, 0.88)], colour)
    b.disc(0.0, -0.2, 0.7, 0.16, lighter(colour, 0.4))
    b.disc(0.0, -0.18, 0.6, 0.11, (72, 42, 24))
    for x in (-0.25, 0.2):
        steam = [(x, -0.4), (x + 0.1, -0.55), (x - 0.04, -0.72), (x + 0.08, -0.95)]
        b.line(steam, 0.06, (225, 228, 232))


def clock(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a round wall clock with a coloured rim."""
    b.disc(0.0, 0.0, 1.0, 1.0, colour)
    b.disc(0.0, 0.0, 0.82, 0.82, _WHITE if sum(colour) < 700 else (225, 228, 232))
    for i in range(12):
        b.at(0.0, 0.0, tilt=i * math.pi / 6).box(0.62, -0.035, 0.76, 0.035, _INK)
    for length, width in ((0.42, 0.1), (0.64, 0.07)):
        hand = b.at(0.0, 0.0, tilt=rng.uniform(0, 2 * math.pi))
        hand.line([(-0.08, 0.0), (length, 0.0)], width, _INK)
    b.disc(0.0, 0.0, 0.08, 0.08, (200, 40, 40))


def umbrella(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint an open umbrella with a hooked handle."""
    b.line([(0.0, -0.9), (0.0, 0.75), (0.1, 0.92), (0.25, 0.88), (0.28, 0.75)], 0.08, (70, 50, 40))
    dome = arc(0.0, 0.05, 1.0, 0.88, 180, 360)
    edge = [p for x in (0.67, 0.0, -0.67) for p in arc(x, 0.05, 0.33, 0.14, 0, -180)]
    b.polygon(dome + edge, colour)
    for x in (-0.33, 0.33):
        b.line([(0.0, -0.83), (x, 0.03)], 0.05, darker(colour, 0.72))


def book(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a closed book, its cover turned to us and its pages seen from the side."""
    b.polygon([(-0.55, -0.85), (-0.4, -1.0), (0.8, -1.0), (0.65, -0.85)], _WHITE)
    b.polygon([(0.65, -0.85), (0.8, -1.0), (0.8, 0.85), (0.65, 1.0)], (228, 222, 205))
    b.box(-0.65, -0.85, 0.65, 1.0, colour)
    b.box(-0.65, -0.85, -0.48, 1.0, darker(colour, 0.6))
    b.box(-0.3, -0.6, 0.5, -0.3, (245, 232, 190))
    for y in (-0.52, -0.42):
        b.line([(-0.2, y), (0.4, y)], 0.04, _INK)
    b.box(-0.3, 0.62, 0.5, 0.7, (245, 232, 190))


def lamp(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a table lamp with a coloured shade, its light falling below."""
    b.polygon([(-0.7, 0.0), (0.7, 0.0), (0.95, 0.95), (-0.95, 0.95)], (255, 240, 190), glows=True)
    b.box(-0.06, 0.0, 0.06, 0.9, (70, 60, 56))
    b.disc(0.0, 0.9, 0.42, 0.12, (60, 50, 48))
    b.polygon([(-0.38, -0.95), (0.38, -0.95), (0.75, 0.05), (-0.75, 0.05)], colour)
    b.polygon([(-0.1, -0.95), (0.12, -0.95), (0.28, 0.05), (-0.2, 0.05)], lighter(colour, 0.35))


def chair(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a chair with four legs and a slatted back."""
    shade = darker(colour, 0.7)
    for x, y in ((-0.1, 0.8), (0.62, 0.8), (-0.5, 1.0), (0.35, 1.0)):
        b.line([(x, 0.15), (x, y)], 0.11, shade)
    for y in (-0.9, -0.6, -0.3):
        b.line([(-0.5, y), (-0.08, y - 0.08)], 0.15, colour)
    b.line([(-0.5, -1.0), (-0.5, 0.3)], 0.12, colour)
    b.line([(-0.08, -1.05), (-0.08, 0.1)], 0.12, colour)
    b.polygon([(-0.58, 0.3), (-0.15, 0.05), (0.7, 0.05), (0.45, 0.3)], colour)
    b.box(-0.58, 0.28, 0.45, 0.38, shade)


def guitar(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint an acoustic guitar, leaning."""
    g = b.at(0.0, 0.05, tilt=rng.uniform(0.15, 0.5))
    wood = around(rng, (214, 140, 66))
    for x, y, r in ((0.0, 0.55, 0.46), (0.0, 0.05, 0.34)):
        g.disc(x, y, r + 0.05, r + 0.05, darker(wood, 0.55))
        g.disc(x, y, r, r, wood)
    g.box(-0.08, -0.9, 0.08, 0.2, darker(_WOOD, 0.6))
    g.box(-0.14, -1.12, 0.14, -0.85, darker(_WOOD, 0.5))
    g.disc(0.0, 0.2, 0.16, 0.16, (44, 26, 18))
    g.box(-0.2, 0.58, 0.2, 0.66, (60, 34, 20))
    g.line([(0.0, -0.9), (0.0, 0.6)], 0.03, (230, 225, 210))


def balloon(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a round party balloon on a curling string."""
    b.line([(0.0, 0.3), (0.12, 0.5), (-0.1, 0.75), (0.06, 1.05)], 0.04, (130, 130, 136))
    b.disc(0.0, -0.35, 0.52, 0.62, colour)
    b.polygon([(-0.1, 0.35), (0.1, 0.35), (0.0, 0.22)], darker(colour, 0.8))
    b.disc(-0.2, -0.55, 0.1, 0.18, lighter(colour, 0.7))
