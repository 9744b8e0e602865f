"""Put a scene together: setting or place, things, weather, camera."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image

from clipd.pocket.painter import animals, buildings, landmarks, landscapes, objects, plants, waters
from clipd.pocket.painter.camera import photograph
from clipd.pocket.painter.canvas import Brush, Colour
from clipd.pocket.painter.palette import named
from clipd.pocket.painter.stage import Stage, fall, open_stage, soften, veil
from clipd.pocket.painter.surroundings import SETTINGS
from clipd.pocket.words import SUBJECTS, Subject, Traits

PlacePainter = Callable[[Stage], None]
ThingPainter = Callable[[Brush, Colour, Random], None]

PLACES: dict[str, PlacePainter] = {
    "sunset": waters.sunset,
    "beach": waters.beach,
    "forest": landscapes.forest,
    "snowy mountains": landscapes.snowy_mountains,
    "night sky": landscapes.night_sky,
    "city skyline": landmarks.city_skyline,
    "rainbow": landscapes.rainbow,
    "desert": landscapes.desert,
    "lake": waters.lake,
    "waterfall": waters.waterfall,
    "field of flowers": landscapes.field_of_flowers,
    "road": landmarks.road,
    "volcano": landscapes.volcano,
    "bridge": landmarks.bridge,
    "island": waters.island,
    "fireworks": landmarks.fireworks,
    "lightning": landscapes.lightning,
    "pyramids": landmarks.pyramids,
    "iceberg": waters.iceberg,
}

_THING_MODULES = (buildings, plants, animals, objects)

# Half the width in units, relative to a thing that just fills its frame.
_TRIMMED = {"train": 0.68, "bus": 0.85, "sailing boat": 1.1, "lighthouse": 1.1}
_FLOATING = frozenset({"sky", "underwater", "plain"})
_FLAT_LIGHT = frozenset({"room", "table", "underwater"})


def _thing_painter(word: str) -> ThingPainter:
    name = word.replace(" ", "_")
    module = next(module for module in _THING_MODULES if hasattr(module, name))
    painter: ThingPainter = getattr(module, name)
    return painter


def paint(word: str, traits: Traits, rng: Random, size: tuple[int, int]) -> Image.Image:
    """Paint a scene and photograph it.

    Args:
        word: one of `SCENES`.
        traits: what the scene must show; what they leave open, the dice decide.
        rng: the dice.
        size: width and height in pixels.

    Returns:
        An RGB picture of that size.
    """
    subject = SUBJECTS[word]
    stage = open_stage(size, traits.time or "day", traits.weather or "clear", rng)
    if subject.is_place:
        PLACES[word](stage)
        if stage.weather == "fog":
            veil(stage, rng.uniform(0.42, 0.58))
    else:
        _paint_things(stage, subject, traits)
    fall(stage)
    return photograph(stage.canvas.finish(), rng)


def _paint_things(stage: Stage, subject: Subject, traits: Traits) -> None:
    rng = stage.rng
    setting = rng.choice(_possible_settings(subject, traits))
    floor = SETTINGS[setting](stage)
    if rng.random() < 0.4:
        soften(stage, rng.uniform(0.004, 0.015))
    if stage.weather == "fog":
        veil(stage, rng.uniform(0.45, 0.6))
    _place_things(stage, subject, traits, setting, floor)
    if stage.weather == "fog":
        veil(stage, rng.uniform(0.15, 0.3))


def _possible_settings(subject: Subject, traits: Traits) -> list[str]:
    if not (traits.time or traits.weather):
        return list(subject.settings)
    outside = [name for name in subject.settings if name not in _FLAT_LIGHT]
    return outside or list(subject.settings)


def _place_things(
    stage: Stage, subject: Subject, traits: Traits, setting: str, floor: float
) -> None:
    rng, paint_thing = stage.rng, _thing_painter(subject.word)
    name = traits.colour or (rng.choice(subject.colours) if subject.colours else "grey")
    mirror = rng.random() < 0.5
    floats = setting in _FLOATING or subject.word == "clock"
    for x, size in _spots(traits, rng):
        fitted = size * _TRIMMED.get(subject.word, 1.0)
        base = rng.uniform(0.42, 0.58) if floats else floor + rng.uniform(-0.01, 0.03) - fitted
        if not floats and setting not in ("water", "branch"):
            shade = stage.brush.at(x, base + fitted * 1.0, fitted)
            shade.disc(0.0, 0.0, 0.85, 0.08, (70, 72, 70))
        frame = stage.brush.at(x, base, fitted, tilt=rng.gauss(0, 0.04), mirror=mirror)
        paint_thing(frame, named(rng, name), rng)


def _spots(traits: Traits, rng: Random) -> list[tuple[float, float]]:
    """Give where each thing stands (x) and how large it is (half its width), in units."""
    if traits.count == 1:
        if traits.position:
            x = rng.uniform(0.22, 0.28)
            return [(x if traits.position == "left" else 1 - x, rng.uniform(0.18, 0.24))]
        return [(rng.uniform(0.44, 0.56), rng.uniform(0.25, 0.37))]
    step = 0.94 / traits.count
    size = step * rng.uniform(0.4, 0.47)
    spots = (0.03 + step * (i + 0.5) + rng.uniform(-0.02, 0.02) for i in range(traits.count))
    return [(x, size) for x in spots]
