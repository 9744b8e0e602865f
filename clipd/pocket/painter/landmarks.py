"""Places that people made."""

from __future__ import annotations

import math

from clipd.pocket.painter.canvas import Colour
from clipd.pocket.painter.palette import around, darker, lighter, mix
from clipd.pocket.painter.stage import FAR, Stage, ground, sky, stars, water

_LIT_WINDOW: Colour = (255, 224, 130)


def city_skyline(stage: Stage) -> None:
    """Paint a row of high-rise buildings, windows lit at night."""
    rng = stage.rng
    base = rng.uniform(0.86, 0.95)
    sky(stage, base)
    for row in range(2):
        x = stage.canvas.left - 0.1
        while x < 1.1 - stage.canvas.left:
            wide, tall = rng.uniform(0.09, 0.17), rng.uniform(0.25, 0.68) * (1.0 - row * 0.25)
            tint = mix(rng, (0.5, 0.7), (0.05, 0.3), (0.6, 0.75) if row == 0 else (0.3, 0.5))
            _tower(stage, x, base, wide, tall, tint)
            x += wide * rng.uniform(0.9, 1.15)
    ground(stage, base, (92, 94, 98))


def _tower(stage: Stage, x: float, base: float, wide: float, tall: float, tint: Colour) -> None:
    top = base - tall
    stage.brush.box(x, top, x + wide, base, tint)
    if stage.rng.random() < 0.25:
        stage.brush.box(x + wide * 0.45, top - 0.07, x + wide * 0.55, top, tint)
    glass = _LIT_WINDOW if stage.time != "day" else lighter(tint, 0.45)
    rows, columns = int(tall / 0.05), max(2, int(wide / 0.035))
    for i in range(rows):
        for j in range(columns):
            if stage.rng.random() < 0.65:
                wx, wy = x + (j + 0.3) * wide / columns, top + 0.02 + i * 0.05
                stage.brush.box(
                    wx, wy, wx + wide * 0.4 / columns, wy + 0.025, glass, glows=stage.time != "day"
                )


def road(stage: Stage) -> None:
    """Paint a road that runs to the horizon, a dashed line along its middle."""
    rng, horizon = stage.rng, stage.rng.uniform(0.4, 0.52)
    sky(stage, horizon)
    ground(
        stage,
        horizon,
        mix(rng, (0.1, 0.34), (0.35, 0.65), (0.5, 0.75)),
        roll=rng.choice((0.0, 0.05)),
    )
    x, near, half = rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.6), rng.uniform(0.42, 0.55)
    asphalt = mix(rng, (0.58, 0.64), (0.02, 0.1), (0.25, 0.38))
    for grow, tint in ((1.08, (226, 224, 216)), (1.0, asphalt)):
        stage.brush.polygon(
            [
                (x - 0.018, horizon),
                (x + 0.018, horizon),
                (near + half * grow, 1.3),
                (near - half * grow, 1.3),
            ],
            tint,
        )
    for i in range(7):
        start, end = (i / 7) ** 1.8, ((i + 0.55) / 7) ** 1.8
        y0, y1 = horizon + start * (1.3 - horizon), horizon + end * (1.3 - horizon)
        x0, x1 = x + (near - x) * start, x + (near - x) * end
        w0, w1 = 0.003 + 0.03 * start, 0.003 + 0.03 * end
        stage.brush.polygon(
            [(x0 - w0, y0), (x0 + w0, y0), (x1 + w1, y1), (x1 - w1, y1)], (250, 238, 170)
        )


def bridge(stage: Stage) -> None:
    """Paint a suspension bridge over water."""
    rng, horizon = stage.rng, stage.rng.uniform(0.58, 0.66)
    sky(stage, horizon)
    water(stage, horizon, FAR, mix(rng, (0.53, 0.6), (0.45, 0.75), (0.45, 0.7)))
    steel, deck = mix(rng, (-0.01, 0.04), (0.65, 0.9), (0.6, 0.82)), rng.uniform(0.56, 0.62)
    first, second, top = rng.uniform(0.16, 0.24), rng.uniform(0.76, 0.84), rng.uniform(0.14, 0.24)
    gap = second - first
    for start in (first - gap, first, second):
        cable = []
        for i in range(13):
            part = i / 12
            cable.append((start + gap * part, top + (deck - 0.04 - top) * 4 * part * (1 - part)))
        stage.brush.line(cable, 0.016, steel)
        for x, y in cable[1:-1]:
            stage.brush.line([(x, y), (x, deck)], 0.007, steel)
    stage.brush.box(-FAR, deck, FAR, deck + 0.04, darker(steel, 0.8))
    for x in (first, second):
        for dx in (-0.028, 0.028):
            stage.brush.box(x + dx - 0.014, top - 0.03, x + dx + 0.014, 0.78, steel)
        for y in (top + 0.02, top + 0.14):
            stage.brush.box(x - 0.03, y, x + 0.03, y + 0.02, steel)


def pyramids(stage: Stage) -> None:
    """Paint three stone pyramids in the sand."""
    rng, base = stage.rng, stage.rng.uniform(0.7, 0.8)
    sky(stage, base, cloudy=0.15)
    sandy = mix(rng, (0.09, 0.12), (0.4, 0.6), (0.82, 0.94))
    ground(stage, base - 0.02, sandy)
    shift = rng.uniform(-0.06, 0.06)
    for x, half, drop in ((0.2, 0.2, 0.0), (0.82, 0.24, 0.01), (0.5, 0.34, 0.05)):
        stone, cx, tall = (
            around(rng, (216, 176, 108), 12),
            x + shift,
            half * rng.uniform(1.15, 1.35),
        )
        foot, edge = base + drop, cx + half * rng.uniform(0.25, 0.4)
        stage.brush.polygon([(cx - half, foot), (cx, foot - tall), (edge, foot + 0.03)], stone)
        stage.brush.polygon(
            [(edge, foot + 0.03), (cx, foot - tall), (cx + half, foot)], darker(stone, 0.65)
        )
        for i in range(1, 6):
            y, left = foot - tall * (1 - i / 6), cx - half * i / 6
            stage.brush.line(
                [(left, y), (cx + (edge - cx) * i / 6, y + 0.005 * i)], 0.006, darker(stone, 0.85)
            )


def fireworks(stage: Stage) -> None:
    """Paint bursts of sparks in a black sky."""
    rng = stage.rng
    high = mix(rng, (0.62, 0.78), (0.5, 0.9), (0.04, 0.1))
    stage.canvas.gradient(high, lighter(high, 0.1), stage.canvas.top, 1.5)
    stars(stage, 0.7, 12)
    spots = rng.sample(
        [(0.28, 0.3), (0.7, 0.26), (0.5, 0.52), (0.22, 0.62), (0.8, 0.6)], rng.randint(2, 4)
    )
    for x, y in spots:
        tint, reach, rays = (
            mix(rng, (0.0, 1.0), (0.6, 0.95), (0.95, 1.0)),
            rng.uniform(0.14, 0.24),
            rng.randint(11, 16),
        )
        stage.brush.line([(x + 0.02, 1.0), (x, y + reach)], 0.005, (150, 120, 80), glows=True)
        for i in range(rays):
            angle = 2 * math.pi * i / rays
            dx, dy = math.cos(angle), math.sin(angle)
            tip = (x + dx * reach, y + dy * reach)
            stage.brush.line(
                [(x + dx * reach * 0.25, y + dy * reach * 0.25), tip], 0.012, tint, glows=True
            )
            stage.brush.disc(*tip, 0.014, None, lighter(tint, 0.6), glows=True)
    for i in range(-4, 14):
        stage.brush.box(
            i * 0.1, 0.93 - rng.uniform(0, 0.06), i * 0.1 + 0.08, FAR, (10, 10, 14), glows=True
        )
