"""The surroundings that things are painted in."""

from __future__ import annotations

from collections.abc import Callable

from clipd.pocket.painter.palette import darker, lighter, mix
from clipd.pocket.painter.stage import FAR, Stage, cloud, ground, sky, water

# Paints the surroundings and gives the height on which a thing stands.
Setting = Callable[[Stage], float]


def meadow(stage: Stage) -> float:
    """Paint grass under a sky."""
    horizon = stage.rng.uniform(0.45, 0.62)
    sky(stage, horizon)
    grass = mix(stage.rng, (0.22, 0.34), (0.45, 0.75), (0.5, 0.75))
    ground(stage, horizon, grass, roll=stage.rng.choice((0.0, 0.08, 0.14)))
    blade = (225, 232, 240) if stage.weather == "snow" else darker(grass)
    for _ in range(20):
        x, y = stage.rng.uniform(-0.2, 1.2), stage.rng.uniform(horizon + 0.1, 1.1)
        stage.brush.line([(x, y), (x + 0.01, y - 0.035)], 0.008, blade)
    return stage.rng.uniform(0.8, 0.9)


def sand(stage: Stage) -> float:
    """Paint bare sand under a sky."""
    horizon = stage.rng.uniform(0.5, 0.65)
    sky(stage, horizon)
    ground(stage, horizon, mix(stage.rng, (0.09, 0.13), (0.25, 0.5), (0.8, 0.95)))
    return stage.rng.uniform(0.8, 0.9)


def snowfield(stage: Stage) -> float:
    """Paint untrodden snow under a sky."""
    horizon = stage.rng.uniform(0.5, 0.62)
    sky(stage, horizon)
    snow = mix(stage.rng, (0.55, 0.62), (0.02, 0.08), (0.93, 0.99))
    ground(stage, horizon, snow, roll=stage.rng.choice((0.0, 0.1)))
    return stage.rng.uniform(0.8, 0.9)


def street(stage: Stage) -> float:
    """Paint a street from across it, with a kerb and a marking."""
    horizon = stage.rng.uniform(0.5, 0.6)
    sky(stage, horizon)
    verge = mix(stage.rng, (0.1, 0.33), (0.1, 0.5), (0.5, 0.75))
    ground(stage, horizon, verge)
    asphalt = mix(stage.rng, (0.58, 0.64), (0.02, 0.1), (0.3, 0.45))
    kerb = horizon + stage.rng.uniform(0.08, 0.15)
    stage.brush.box(-FAR, kerb, FAR, FAR, asphalt)
    stage.brush.box(-FAR, kerb, FAR, kerb + 0.02, (190, 188, 184))
    for i in range(-3, 8):
        stage.brush.box(i * 0.25, 0.93, i * 0.25 + 0.13, 0.955, (238, 236, 220))
    return stage.rng.uniform(0.8, 0.88)


def plain(stage: Stage) -> float:
    """Paint an empty backdrop, as in a studio; under open sky where the weather shows."""
    if stage.time != "day" or stage.weather != "clear":
        return meadow(stage)
    tint = mix(stage.rng, (0.0, 1.0), (0.03, 0.25), (0.72, 0.97))
    stage.canvas.gradient(tint, lighter(tint, 0.3), -FAR, FAR)
    return stage.rng.uniform(0.78, 0.88)


def room(stage: Stage) -> float:
    """Paint a wall, a skirting board and a floor."""
    wall = mix(stage.rng, (0.0, 1.0), (0.08, 0.35), (0.7, 0.93))
    floor = mix(stage.rng, (0.05, 0.09), (0.35, 0.6), (0.45, 0.7))
    edge = stage.rng.uniform(0.6, 0.72)
    stage.canvas.gradient(wall, darker(wall, 0.9), -FAR, edge)
    stage.canvas.gradient(floor, darker(floor, 0.8), edge, FAR)
    stage.brush.box(-FAR, edge - 0.03, FAR, edge, (240, 238, 232))
    return stage.rng.uniform(0.82, 0.9)


def table(stage: Stage) -> float:
    """Paint a table top before a wall."""
    wall = mix(stage.rng, (0.0, 1.0), (0.08, 0.3), (0.65, 0.93))
    top = mix(stage.rng, (0.05, 0.1), (0.3, 0.65), (0.5, 0.8))
    edge = stage.rng.uniform(0.55, 0.68)
    stage.canvas.gradient(wall, darker(wall, 0.92), -FAR, edge)
    stage.canvas.gradient(top, darker(top, 0.85), edge, FAR)
    return stage.rng.uniform(0.82, 0.9)


def open_sky(stage: Stage) -> float:
    """Paint nothing but sky."""
    sky(stage, 1.6, cloudy=0.3)
    if stage.time == "day" and stage.weather == "clear":
        for y in (stage.rng.uniform(0.05, 0.3), stage.rng.uniform(0.7, 0.95)):
            cloud(stage, y, (250, 250, 252))
    return stage.rng.uniform(0.78, 0.88)


def open_water(stage: Stage) -> float:
    """Paint calm water up to the horizon."""
    horizon = stage.rng.uniform(0.5, 0.66)
    sky(stage, horizon)
    water(stage, horizon, FAR, mix(stage.rng, (0.52, 0.6), (0.5, 0.8), (0.5, 0.75)))
    return stage.rng.uniform(0.8, 0.88)


def underwater(stage: Stage) -> float:
    """Paint the inside of the sea: bubbles, weed, a sandy floor."""
    deep = mix(stage.rng, (0.48, 0.58), (0.6, 0.85), (0.45, 0.65))
    stage.canvas.gradient(lighter(deep, 0.45), deep, -FAR, FAR)
    floor = stage.rng.uniform(0.88, 0.96)
    stage.brush.box(-FAR, floor, FAR, FAR, (206, 190, 140))
    for _ in range(4):
        x = stage.rng.uniform(0.0, 1.0)
        weed = [(x, 1.0), (x + 0.03, 0.9), (x - 0.02, 0.82), (x + 0.02, 0.74)]
        stage.brush.line(weed, 0.025, (40, 130, 70))
    for _ in range(8):
        x, y = stage.rng.uniform(0, 1), stage.rng.uniform(0, 0.7)
        stage.brush.disc(x, y, 0.012, 0.012, lighter(deep, 0.7))
    return stage.rng.uniform(0.75, 0.85)


def branch(stage: Stage) -> float:
    """Paint a branch with leaves across the sky."""
    sky(stage, 1.6, cloudy=0.3)
    height = stage.rng.uniform(0.74, 0.84)
    stage.brush.line(
        [(-0.5, height + 0.06), (0.5, height), (1.5, height + 0.04)], 0.045, (104, 70, 42)
    )
    for _ in range(7):
        leaf = stage.brush.at(
            stage.rng.uniform(-0.1, 1.1), height + stage.rng.uniform(0.04, 0.12), 0.05
        )
        leaf.disc(0.0, 0.0, 1.0, 0.5, mix(stage.rng, (0.26, 0.36), (0.5, 0.8), (0.4, 0.65)))
    return height


SETTINGS: dict[str, Setting] = {
    "meadow": meadow,
    "sand": sand,
    "snowfield": snowfield,
    "street": street,
    "plain": plain,
    "room": room,
    "table": table,
    "sky": open_sky,
    "water": open_water,
    "underwater": underwater,
    "branch": branch,
}
