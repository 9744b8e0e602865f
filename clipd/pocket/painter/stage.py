"""What a scene plays on: the hour, the sky, the ground and the weather."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageFilter

from clipd.pocket.painter.canvas import Brush, Canvas, Colour, blend
from clipd.pocket.painter.palette import darker, lighter, mix

# Far enough to be outside any picture, whatever its shape.
FAR = 3.0

_LIGHTS = {"day": (1.0, 1.0, 1.0), "dusk": (0.8, 0.64, 0.74), "night": (0.47, 0.51, 0.7)}
_GLOOM = {"clear": 1.0, "rain": 0.8, "snow": 0.95, "fog": 0.95}


@dataclass(frozen=True, slots=True)
class Stage:
    """A canvas, the hour and the weather on it, and the dice for everything else."""

    canvas: Canvas
    brush: Brush
    time: str
    weather: str
    rng: Random

    @property
    def is_night(self) -> bool:
        """Whether it is dark."""
        return self.time == "night"


def open_stage(size: tuple[int, int], time: str, weather: str, rng: Random) -> Stage:
    """Give an empty stage in the light of its hour and weather."""
    red, green, blue = _LIGHTS[time]
    gloom = _GLOOM[weather] * rng.uniform(0.93, 1.05)
    canvas = Canvas(size, (red * gloom, green * gloom, blue * gloom))
    return Stage(canvas, canvas.brush(), time, weather, rng)


def _sky_colours(stage: Stage) -> tuple[Colour, Colour]:
    rng = stage.rng
    if stage.is_night:
        high = mix(rng, (0.6, 0.68), (0.6, 0.9), (0.08, 0.16))
        low = mix(rng, (0.6, 0.68), (0.5, 0.8), (0.2, 0.32))
    elif stage.time == "dusk":
        high = mix(rng, (0.68, 0.76), (0.45, 0.65), (0.35, 0.5))
        low = mix(rng, (0.92, 1.02), (0.35, 0.55), (0.8, 0.92))
    else:
        high = mix(rng, (0.54, 0.62), (0.45, 0.8), (0.75, 0.98))
        low = mix(rng, (0.52, 0.6), (0.08, 0.3), (0.92, 1.0))
    if stage.weather == "clear":
        return high, low
    grey = {"rain": (112, 120, 132), "snow": (196, 204, 214), "fog": (206, 208, 210)}
    veil = stage.canvas.lit(grey[stage.weather])
    return blend(high, veil, 0.8), blend(low, veil, 0.8)


def sky(stage: Stage, horizon: float, *, cloudy: float = 0.5) -> None:
    """Fill the sky down to the horizon, with clouds or stars where they belong."""
    high, low = _sky_colours(stage)
    stage.canvas.gradient(high, low, -FAR if horizon > 1 else stage.canvas.top, horizon)
    if stage.weather == "clear" and stage.is_night:
        stars(stage, horizon, stage.rng.randint(15, 40))
    elif stage.weather == "rain":
        for _ in range(5):
            cloud(stage, stage.rng.uniform(0.0, 0.25), stage.canvas.lit((84, 90, 100)))
    elif stage.weather == "clear" and stage.rng.random() < cloudy:
        tint = (250, 250, 252) if stage.time == "day" else (226, 150, 160)
        for _ in range(stage.rng.randint(1, 3)):
            cloud(stage, stage.rng.uniform(0.05, max(0.1, horizon * 0.5)), tint)


def cloud(stage: Stage, y: float, colour: Colour, x: float | None = None) -> None:
    """Paint a cloud at a height, somewhere along the sky unless told where."""
    rng = stage.rng
    spot = rng.uniform(-0.1, 1.1) if x is None else x
    puff = stage.brush.at(spot, y, rng.uniform(0.08, 0.2))
    for i in range(4):
        rx = rng.uniform(0.4, 0.6)
        puff.disc(-0.75 + i * 0.5, rng.uniform(-0.2, 0.05), rx, rx * 0.6, colour, glows=True)
    puff.disc(0.0, 0.12, 1.15, 0.24, colour, glows=True)


def stars(stage: Stage, horizon: float, count: int) -> None:
    """Scatter stars over the sky."""
    for _ in range(count):
        x = stage.rng.uniform(stage.canvas.left, 1 - stage.canvas.left)
        y = stage.rng.uniform(stage.canvas.top, horizon * 0.9)
        size = stage.rng.uniform(0.003, 0.008)
        stage.brush.disc(x, y, size, size, (255, 252, 232), glows=True)


def ground(stage: Stage, y: float, colour: Colour, *, roll: float = 0.0) -> None:
    """Fill everything below a height; `roll` makes the edge a hill."""
    tint = (240, 245, 252) if stage.weather == "snow" else colour
    near = darker(tint, 0.8)
    stage.canvas.gradient(stage.canvas.lit(tint), stage.canvas.lit(near), y, FAR)
    if roll:
        x = stage.rng.uniform(0.1, 0.9)
        stage.brush.disc(x, y + 0.02, stage.rng.uniform(0.5, 0.9), roll, tint)


def water(stage: Stage, top: float, bottom: float, colour: Colour) -> None:
    """Fill a band with water and its glints."""
    lit = stage.canvas.lit
    stage.canvas.gradient(lit(lighter(colour, 0.25)), lit(darker(colour, 0.8)), top, bottom)
    for _ in range(14):
        x = stage.rng.uniform(stage.canvas.left, 1 - stage.canvas.left)
        y = stage.rng.uniform(top + 0.01, min(bottom, 1 - stage.canvas.top))
        wide = stage.rng.uniform(0.02, 0.08)
        stage.brush.line([(x, y), (x + wide, y)], 0.006, lighter(colour, 0.45))


def veil(stage: Stage, strength: float) -> None:
    """Lay fog over what is painted so far."""
    canvas = stage.canvas
    mist = Image.new("RGB", canvas.image.size, canvas.lit((214, 217, 220)))
    canvas.image.paste(Image.blend(canvas.image, mist, strength))


def fall(stage: Stage) -> None:
    """Let the stage's weather come down over everything."""
    if stage.weather == "rain":
        _streaks(stage)
    elif stage.weather == "snow":
        _flakes(stage)


def _streaks(stage: Stage) -> None:
    canvas, rng = stage.canvas, stage.rng
    mask = Image.new("L", canvas.image.size)
    pen = ImageDraw.Draw(mask)
    slant, thick = rng.uniform(-0.35, 0.35), max(1, round(canvas.scale * 0.007))
    for _ in range(rng.randint(110, 170)):
        x, y = rng.uniform(canvas.left, 1 - canvas.left), rng.uniform(canvas.top, 1 - canvas.top)
        length = rng.uniform(0.06, 0.13)
        drop = canvas.to_pixels([(x, y), (x + slant * length, y + length)])
        pen.line(drop, fill=rng.randint(110, 200), width=thick)
    canvas.image.paste((206, 218, 232), mask=mask)


def _flakes(stage: Stage) -> None:
    canvas, rng = stage.canvas, stage.rng
    for _ in range(rng.randint(90, 150)):
        x, y = rng.uniform(canvas.left, 1 - canvas.left), rng.uniform(canvas.top, 1 - canvas.top)
        size = rng.uniform(0.006, 0.016)
        stage.brush.disc(x, y, size, size, (252, 253, 255), glows=True)


def soften(stage: Stage, radius: float) -> None:
    """Put what is painted so far out of focus; the radius is in units."""
    # At a quarter of the pixels: what is about to be blurred needs no more.
    image = stage.canvas.image
    small = image.reduce(4).filter(ImageFilter.GaussianBlur(radius * stage.canvas.scale / 4))
    image.paste(small.resize(image.size, Image.Resampling.BILINEAR))
