"""Things that grow."""

from __future__ import annotations

from random import Random

from clipd.pocket.painter.canvas import Brush, Colour
from clipd.pocket.painter.palette import around, darker, lighter, mix


def tree(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a broad tree with a round crown."""
    bark = mix(rng, (0.05, 0.08), (0.4, 0.6), (0.25, 0.4))
    b.polygon([(-0.12, 0.2), (0.12, 0.2), (0.18, 1.0), (-0.18, 1.0)], bark)
    for x, y, r in ((-0.42, 0.0, 0.42), (0.42, 0.0, 0.42), (0.0, 0.12, 0.45), (0.0, -0.45, 0.52)):
        b.disc(x, y, r, r, darker(colour, 0.85))
    for _ in range(12):
        x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.75, 0.2)
        b.disc(x, y, 0.16, 0.14, around(rng, colour, 22))


def palm_tree(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a bent palm with drooping fronds and coconuts."""
    bark = mix(rng, (0.07, 0.1), (0.4, 0.6), (0.45, 0.6))
    b.polygon(
        [(0.02, -0.5), (0.15, -0.5), (0.02, 0.3), (0.1, 1.0), (-0.16, 1.0), (-0.14, 0.3)], bark
    )
    leaf = mix(rng, (0.3, 0.37), (0.6, 0.85), (0.4, 0.6))
    for end, drop in (
        (-0.95, 0.1),
        (-0.75, -0.45),
        (-0.25, -0.35),
        (0.5, -0.4),
        (0.95, -0.35),
        (1.0, 0.12),
    ):
        mid = (0.08 + (end - 0.08) * 0.55, -0.92 + drop * 0.35)
        tip = (end, -0.5 + drop)
        b.polygon(
            [(0.08, -0.62), (mid[0], mid[1] - 0.08), tip, (mid[0], mid[1] + 0.16)],
            around(rng, leaf),
        )
    for x in (0.0, 0.16):
        b.disc(x, -0.48, 0.09, 0.09, (96, 60, 34))


def cactus(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a saguaro with two raised arms."""
    green = mix(rng, (0.33, 0.42), (0.5, 0.75), (0.35, 0.55))
    shade = darker(green, 0.75)
    b.line([(-0.6, -0.15), (-0.6, 0.3), (0.0, 0.3)], 0.24, green)
    b.disc(-0.6, -0.15, 0.12, 0.12, green)
    b.line([(0.58, -0.4), (0.58, 0.1), (0.0, 0.1)], 0.24, green)
    b.disc(0.58, -0.4, 0.12, 0.12, green)
    b.box(-0.2, -0.75, 0.2, 1.0, green)
    b.disc(0.0, -0.75, 0.2, 0.22, green)
    for x in (-0.09, 0.09):
        b.line([(x, -0.8), (x, 1.0)], 0.04, shade)


def mushroom(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint a mushroom with a spotted cap."""
    b.polygon([(-0.2, 0.0), (0.2, 0.0), (0.3, 1.0), (-0.3, 1.0)], (240, 230, 210))
    b.disc(0.0, 0.12, 0.95, 0.85, colour, start=180, end=360)
    b.disc(0.0, 0.12, 0.95, 0.14, darker(colour, 0.7))
    for x, y, r in ((-0.5, -0.15, 0.13), (0.0, -0.42, 0.16), (0.5, -0.12, 0.13), (0.1, -0.05, 0.1)):
        b.disc(x, y, r, r * 0.85, (252, 250, 244))


def flower(b: Brush, colour: Colour, rng: Random) -> None:
    """Paint one large flower on its stem."""
    stem = mix(rng, (0.28, 0.36), (0.6, 0.9), (0.35, 0.55))
    b.line([(0.0, -0.3), (0.05, 1.0)], 0.1, stem)
    b.polygon([(0.03, 0.75), (0.5, 0.3), (0.42, 0.7)], stem)
    b.polygon([(0.03, 0.85), (-0.45, 0.45), (-0.35, 0.8)], stem)
    petals, turn = rng.choice((6, 7, 8)), rng.uniform(0, 1)
    for i in range(petals):
        petal = b.at(0.0, -0.38, tilt=turn + i * 6.2832 / petals)
        petal.disc(0.38, 0.0, 0.28, 0.17, around(rng, colour, 10))
    b.disc(0.0, -0.38, 0.2, 0.2, lighter((250, 190, 40), 0.1))


def woodland_tree(b: Brush, tint: Colour, *, pine: bool, snowed: bool) -> None:
    """Paint a slender tree, one of many: a pine or a leafy one."""
    b.box(-0.07, 0.4, 0.07, 1.0, (72, 48, 32))
    cap = (246, 249, 255) if snowed else lighter(tint, 0.08)
    if pine:
        for y, wide in ((0.7, 0.52), (0.15, 0.42), (-0.4, 0.3)):
            b.polygon([(-wide, y), (0.0, y - 0.8), (wide, y)], tint)
            b.polygon([(-wide * 0.45, y - 0.44), (0.0, y - 0.8), (wide * 0.45, y - 0.44)], cap)
    else:
        b.disc(0.0, -0.2, 0.45, 0.75, tint)
        b.disc(-0.1, -0.5, 0.25, 0.32, cap)
