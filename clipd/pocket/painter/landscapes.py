"""Places that nature made."""

from __future__ import annotations

from clipd.pocket.painter.canvas import Colour, arc
from clipd.pocket.painter.palette import around, darker, lighter, mix
from clipd.pocket.painter.plants import woodland_tree
from clipd.pocket.painter.stage import FAR, Stage, cloud, ground, sky, stars

_SNOW: Colour = (246, 249, 255)


def forest(stage: Stage) -> None:
    """Paint rows of trees, one behind the other, filling the picture."""
    rng = stage.rng
    sky(stage, 0.5, cloudy=0.0)
    floor = mix(rng, (0.2, 0.32), (0.4, 0.6), (0.25, 0.4))
    ground(stage, 0.45, floor)
    leaf, pines = mix(rng, (0.26, 0.4), (0.5, 0.8), (0.3, 0.5)), rng.random() < 0.6
    for row in range(4):
        base, size = 0.55 + row * 0.15, 0.17 + row * 0.035
        tint = darker(lighter(leaf, 0.3 - row * 0.1), 1.0 - row * 0.08)
        for i in range(-5, 13):
            x = i * 0.13 + rng.uniform(-0.04, 0.04) + (row % 2) * 0.06
            frame = stage.brush.at(x, base - size, size)
            woodland_tree(frame, around(rng, tint, 10), pine=pines, snowed=stage.weather == "snow")


def snowy_mountains(stage: Stage) -> None:
    """Paint a range of peaks with white caps."""
    rng = stage.rng
    sky(stage, 0.9)
    rock = mix(rng, (0.58, 0.66), (0.12, 0.35), (0.35, 0.5))
    for row, base in enumerate((0.72, 0.85)):
        tint = lighter(rock, 0.3) if row == 0 else rock
        for i in range(4):
            x = -0.1 + i * 0.4 + row * 0.2 + rng.uniform(-0.1, 0.1)
            _peak(stage, x, base, rng.uniform(0.38, 0.62), tint)
    foot = mix(rng, (0.25, 0.4), (0.3, 0.55), (0.3, 0.45))
    ground(stage, 0.83, rng.choice((foot, (232, 238, 248))))


def _peak(stage: Stage, x: float, base: float, height: float, rock: Colour) -> None:
    half, top = height * stage.rng.uniform(0.6, 0.8), base - height
    stage.brush.polygon([(x - half, base), (x, top), (x + half, base)], rock)
    stage.brush.polygon([(x, top), (x + half, base), (x + half * 0.2, base)], darker(rock, 0.78))
    cap = 0.5
    zigzag = [(-1.0, 0.0), (-0.55, -0.12), (-0.25, 0.08), (0.1, -0.1), (0.5, 0.08), (1.0, 0.0)]
    edge = [(x + px * half * cap, top + height * (cap + py * 0.6)) for px, py in zigzag]
    stage.brush.polygon([(x, top), *reversed(edge)], _SNOW)


def night_sky(stage: Stage) -> None:
    """Paint a large moon among stars over dark hills."""
    rng = stage.rng
    high = mix(rng, (0.62, 0.7), (0.7, 0.95), (0.05, 0.12))
    low = mix(rng, (0.6, 0.68), (0.6, 0.85), (0.18, 0.3))
    stage.canvas.gradient(high, low, stage.canvas.top, 1.5)
    stars(stage, 0.95, rng.randint(50, 100))
    x, y, size = rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.45), rng.uniform(0.11, 0.17)
    stage.brush.disc(x, y, size * 1.25, None, lighter(low, 0.12), glows=True)
    stage.brush.disc(x, y, size, None, (250, 244, 212), glows=True)
    if rng.random() < 0.45:
        stage.brush.disc(
            x + size * 0.5, y - size * 0.12, size * 0.92, None, lighter(low, 0.06), glows=True
        )
    else:
        for dx, dy, r in ((-0.35, -0.2, 0.2), (0.25, 0.3, 0.25), (0.3, -0.4, 0.14)):
            stage.brush.disc(
                x + dx * size, y + dy * size, r * size, None, (222, 214, 180), glows=True
            )
    for _ in range(3):
        stage.brush.disc(
            rng.uniform(-0.1, 1.1),
            1.05,
            rng.uniform(0.3, 0.6),
            rng.uniform(0.1, 0.24),
            (12, 14, 26),
            glows=True,
        )


def rainbow(stage: Stage) -> None:
    """Paint a rainbow from end to end over green land."""
    rng, horizon = stage.rng, stage.rng.uniform(0.68, 0.8)
    sky(stage, horizon, cloudy=0.3)
    x, outer = rng.uniform(0.35, 0.65), rng.uniform(0.5, 0.62)
    bands = (
        (228, 50, 50),
        (245, 150, 40),
        (250, 232, 70),
        (70, 180, 80),
        (60, 110, 220),
        (140, 70, 180),
    )
    width = rng.uniform(0.026, 0.036)
    for i, tint in enumerate(bands):
        reach = outer - i * width
        ring = arc(x, horizon + 0.05, reach, reach, 180, 360) + arc(
            x, horizon + 0.05, reach - width, reach - width, 360, 180
        )
        stage.brush.polygon(ring, tint)
    ground(stage, horizon, mix(rng, (0.22, 0.35), (0.5, 0.75), (0.45, 0.65)), roll=0.06)


def desert(stage: Stage) -> None:
    """Paint dune behind dune under a hot sky."""
    rng, horizon = stage.rng, stage.rng.uniform(0.35, 0.48)
    sky(stage, horizon + 0.2, cloudy=0.1)
    tint = mix(rng, (0.07, 0.11), (0.5, 0.7), (0.82, 0.95))
    for row in range(4):
        y, shade = horizon + row * 0.15, darker(tint, 1.0 - row * 0.06)
        x = rng.uniform(0.1, 0.9)
        crest = [(x, y), (x + 0.3, y + 0.09), (x + 1.4, y + 0.2)]
        stage.brush.polygon(
            [(x - 1.5, y + 0.22), (x - 0.4, y + 0.1), *crest, (FAR, FAR), (-FAR, FAR)], shade
        )
        stage.brush.polygon(
            [
                (x, y),
                (x + 0.3, y + 0.09),
                (x + 1.4, y + 0.2),
                (x + 0.35, y + 0.4),
                (x + 0.12, y + 0.2),
            ],
            darker(shade, 0.78),
        )
    if stage.time == "day":
        stage.brush.disc(
            rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.2), 0.06, None, (255, 246, 190), glows=True
        )


def field_of_flowers(stage: Stage) -> None:
    """Paint a meadow full of flowers, smaller towards the horizon."""
    rng, horizon = stage.rng, stage.rng.uniform(0.3, 0.42)
    sky(stage, horizon)
    ground(stage, horizon, mix(rng, (0.25, 0.34), (0.55, 0.8), (0.4, 0.6)))
    tints = [
        mix(rng, hue, (0.6, 0.95), (0.85, 1.0))
        for hue in rng.sample(
            [(-0.02, 0.02), (0.13, 0.16), (0.74, 0.8), (0.88, 0.94), (0.06, 0.09)], 3
        )
    ]
    for row in range(9):
        depth = (row + 1) / 9
        y, size = horizon + 0.03 + depth * depth * 0.68, 0.008 + 0.034 * depth
        step = size * 2.8
        x = stage.canvas.left - rng.uniform(0, step)
        while x < 1 - stage.canvas.left:
            cx, cy = x + rng.uniform(-0.3, 0.3) * step, y + rng.uniform(-0.6, 0.6) * size
            stage.brush.disc(cx, cy, size, size * 0.85, rng.choice(tints))
            stage.brush.disc(cx, cy, size * 0.35, size * 0.3, (255, 225, 90))
            x += step


def volcano(stage: Stage) -> None:
    """Paint a cone that spits lava under a cloud of ash."""
    rng = stage.rng
    sky(stage, 0.9, cloudy=0.0)
    rock = mix(rng, (0.0, 0.06), (0.2, 0.45), (0.22, 0.34))
    ground(stage, 0.85, darker(rock, 0.8))
    x, top, rim = rng.uniform(0.42, 0.58), rng.uniform(0.36, 0.46), 0.1
    for i in range(5):
        stage.brush.disc(
            x + rng.uniform(-0.14, 0.14),
            top - 0.1 - i * 0.06,
            0.1 + i * 0.02,
            0.08,
            around(rng, (96, 88, 88)),
        )
    for i in range(7):
        angle = -0.3 + i * 0.1
        stage.brush.line(
            [(x, top), (x + angle * 0.5, top - 0.16)], 0.025, (255, 150, 40), glows=True
        )
    stage.brush.polygon([(x - 0.55, 0.9), (x - rim, top), (x + rim, top), (x + 0.55, 0.9)], rock)
    stage.brush.disc(x, top, rim, 0.025, (255, 120, 30), glows=True)
    for end in (-0.2, 0.02, 0.22):
        flow = [(x + end * 0.25, top), (x + end * 0.5 + 0.02, 0.6), (x + end, 0.86)]
        stage.brush.line(flow, 0.04, (245, 84, 24), glows=True)


def lightning(stage: Stage) -> None:
    """Paint a forked flash out of dark clouds."""
    rng = stage.rng
    high = mix(rng, (0.62, 0.75), (0.25, 0.5), (0.14, 0.24))
    stage.canvas.gradient(high, lighter(high, 0.3), stage.canvas.top, 1.2)
    for _ in range(6):
        cloud(stage, rng.uniform(-0.05, 0.16), around(rng, darker(lighter(high, 0.25), 0.8), 8))
    for _ in range(rng.randint(1, 2)):
        x, bolt = rng.uniform(0.3, 0.7), []
        for i in range(7):
            bolt.append((x, 0.14 + i * 0.11))
            x += rng.choice((-1, 1)) * rng.uniform(0.03, 0.1)
        stage.brush.line(bolt, 0.035, (214, 206, 255), glows=True)
        stage.brush.line(bolt, 0.016, (255, 255, 240), glows=True)
        fork = [bolt[3], (bolt[3][0] + 0.12, 0.58), (bolt[3][0] + 0.09, 0.7)]
        stage.brush.line(fork, 0.016, (240, 236, 255), glows=True)
    stage.brush.box(-FAR, 0.86, FAR, FAR, (26, 28, 32), glows=True)
