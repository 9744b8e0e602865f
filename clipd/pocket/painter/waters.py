"""Places at the water."""

from __future__ import annotations

from clipd.pocket.painter.canvas import Colour
from clipd.pocket.painter.palette import around, darker, lighter, mix
from clipd.pocket.painter.plants import palm_tree, woodland_tree
from clipd.pocket.painter.stage import FAR, Stage, ground, sky, water

_SNOW: Colour = (246, 249, 255)


def sunset(stage: Stage) -> None:
    """Paint a low sun over water, its light all over sky and sea."""
    rng, horizon = stage.rng, stage.rng.uniform(0.55, 0.68)
    high = mix(rng, (0.93, 1.02), (0.55, 0.8), (0.55, 0.8))
    low = mix(rng, (0.08, 0.12), (0.7, 0.95), (0.95, 1.0))
    stage.canvas.gradient(high, low, stage.canvas.top, horizon)
    x, size = rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.16)
    y = horizon - size * rng.uniform(0.1, 0.9)
    for grow, tint in ((1.7, lighter(low, 0.2)), (1.3, lighter(low, 0.4)), (1.0, (255, 244, 196))):
        stage.brush.disc(x, y, size * grow, size * grow, tint, glows=True)
    for _ in range(3):
        cy = rng.uniform(0.05, horizon * 0.7)
        stage.brush.disc(rng.uniform(0, 1), cy, rng.uniform(0.2, 0.4), 0.016, darker(high, 0.8))
    stage.canvas.gradient(darker(low, 0.75), darker(high, 0.4), horizon, FAR)
    for i in range(9):
        gy, wide = horizon + 0.02 + i * 0.04, rng.uniform(0.04, 0.12)
        stage.brush.box(x - wide, gy, x + wide, gy + 0.014, (255, 214, 130), glows=True)


def beach(stage: Stage) -> None:
    """Paint sand in front, foam, and the sea up to the horizon."""
    rng, horizon = stage.rng, stage.rng.uniform(0.3, 0.42)
    sky(stage, horizon)
    sea = mix(rng, (0.48, 0.56), (0.6, 0.85), (0.6, 0.85))
    water(stage, horizon, FAR, sea)
    shore, slope = rng.uniform(0.56, 0.66), rng.uniform(-0.14, 0.14)
    tint = mix(rng, (0.1, 0.13), (0.25, 0.42), (0.88, 0.97))
    for rise, colour in ((0.045, (248, 252, 252)), (0.0, darker(tint, 0.85)), (-0.03, tint)):
        wave = [
            (-1.0 + i * 0.1, shore - rise + slope * (i * 0.1 - 1.5) + 0.012 * (i % 3))
            for i in range(32)
        ]
        stage.brush.polygon([*wave, (FAR, FAR), (-FAR, FAR)], colour)
    for _ in range(rng.randint(2, 6)):
        sx, sy = rng.uniform(0, 1), rng.uniform(shore + 0.15, 1.0)
        stage.brush.disc(
            sx, sy, 0.018, 0.013, rng.choice(((240, 150, 130), (250, 246, 235), (150, 120, 90)))
        )
    if rng.random() < 0.4:
        palm_tree(stage.brush.at(rng.choice((0.1, 0.9)), shore, 0.28), (0, 0, 0), rng)


def lake(stage: Stage) -> None:
    """Paint an oval of water among grass, ringed by trees and reeds."""
    rng = stage.rng
    sky(stage, 0.4)
    grass = mix(rng, (0.24, 0.34), (0.5, 0.75), (0.4, 0.6))
    ground(stage, 0.36, grass, roll=0.1)
    for i in range(-3, 12):
        frame = stage.brush.at(i * 0.12 + rng.uniform(-0.03, 0.03), 0.36, 0.1)
        leaf = around(rng, darker(grass))
        woodland_tree(frame, leaf, pine=i % 2 == 0, snowed=stage.weather == "snow")
    y, rx, ry = rng.uniform(0.68, 0.74), rng.uniform(0.45, 0.6), rng.uniform(0.15, 0.2)
    blue = mix(rng, (0.54, 0.6), (0.5, 0.75), (0.65, 0.9))
    stage.brush.disc(0.5, y, rx + 0.025, ry + 0.02, darker(grass, 0.7))
    stage.brush.disc(0.5, y, rx, ry, blue)
    for _ in range(9):
        gx, gy = rng.uniform(0.2, 0.75), y + rng.uniform(-0.6, 0.6) * ry
        stage.brush.line([(gx, gy), (gx + rng.uniform(0.04, 0.1), gy)], 0.008, lighter(blue, 0.5))
    for _ in range(10):
        gx = rng.uniform(0.05, 0.95)
        stage.brush.line([(gx, 0.98), (gx + 0.01, 0.88)], 0.012, darker(grass, 0.6))


def waterfall(stage: Stage) -> None:
    """Paint a white fall between two cliffs, spray at its foot."""
    rng = stage.rng
    sky(stage, 0.5)
    rock, x, half = (
        mix(rng, (0.05, 0.3), (0.1, 0.35), (0.3, 0.45)),
        rng.uniform(0.4, 0.6),
        rng.uniform(0.1, 0.16),
    )
    top = rng.uniform(0.15, 0.28)
    moss = mix(rng, (0.25, 0.36), (0.45, 0.7), (0.35, 0.5))
    stage.brush.box(-FAR, top, FAR, FAR, rock)
    for _ in range(26):
        rx, ry = rng.uniform(-0.3, 1.3), rng.uniform(top + 0.05, 0.85)
        stage.brush.box(
            rx, ry, rx + rng.uniform(0.05, 0.2), ry + rng.uniform(0.02, 0.08), around(rng, rock)
        )
    stage.brush.box(-FAR, top - 0.05, FAR, top + 0.02, moss)
    stage.brush.box(x - half, top - 0.04, x + half, 0.86, (222, 238, 248))
    for i in range(6):
        sx = x - half + (i + 0.5) * half / 3
        stage.brush.box(sx, top, sx + 0.012, 0.84, (150, 195, 225))
    water(stage, 0.84, FAR, mix(rng, (0.5, 0.56), (0.5, 0.7), (0.6, 0.8)))
    for i in range(5):
        stage.brush.disc(x - half + i * half / 2, 0.86, 0.07, 0.045, (246, 250, 253))


def island(stage: Stage) -> None:
    """Paint a small island with palms, sea all around it."""
    rng, horizon = stage.rng, stage.rng.uniform(0.4, 0.5)
    sky(stage, horizon)
    sea = mix(rng, (0.5, 0.57), (0.6, 0.9), (0.6, 0.8))
    water(stage, horizon, FAR, sea)
    x, y = rng.uniform(0.42, 0.58), rng.uniform(0.68, 0.74)
    stage.brush.disc(x, y + 0.02, 0.36, 0.085, lighter(sea, 0.5))
    stage.brush.disc(x, y, 0.31, 0.075, mix(rng, (0.1, 0.13), (0.3, 0.45), (0.88, 0.96)))
    stage.brush.disc(x, y - 0.03, 0.2, 0.05, mix(rng, (0.28, 0.36), (0.5, 0.8), (0.4, 0.6)))
    for dx in rng.sample((-0.14, -0.04, 0.06, 0.14), rng.randint(2, 3)):
        palm_tree(stage.brush.at(x + dx, y - 0.2, 0.2), (0, 0, 0), rng)


def iceberg(stage: Stage) -> None:
    """Paint a jagged block of ice afloat in a cold sea."""
    rng, line = stage.rng, stage.rng.uniform(0.58, 0.68)
    sky(stage, line - 0.1)
    water(stage, line - 0.1, FAR, mix(rng, (0.54, 0.6), (0.6, 0.85), (0.35, 0.55)))
    ice, x = mix(rng, (0.5, 0.56), (0.08, 0.18), (0.92, 1.0)), rng.uniform(0.42, 0.58)
    peaks = [
        (-0.4, 0.0),
        (-0.32, -0.2),
        (-0.2, -0.16),
        (-0.08, -0.42),
        (0.04, -0.3),
        (0.14, -0.36),
        (0.28, -0.1),
        (0.4, 0.0),
    ]
    stage.brush.polygon([(x + px, line + py * rng.uniform(0.9, 1.1)) for px, py in peaks], ice)
    stage.brush.polygon(
        [(x - 0.08, line - 0.4), (x + 0.04, line - 0.28), (x + 0.1, line), (x - 0.1, line)],
        darker(ice, 0.82),
    )
    stage.brush.polygon(
        [(x + 0.14, line - 0.34), (x + 0.27, line - 0.1), (x + 0.38, line), (x + 0.2, line)],
        darker(ice, 0.82),
    )
    below = mix(rng, (0.48, 0.52), (0.4, 0.55), (0.7, 0.85))
    stage.brush.polygon(
        [(x - 0.4, line), (x + 0.4, line), (x + 0.24, line + 0.2), (x - 0.2, line + 0.22)], below
    )
