"""Colours by name, never twice the same."""

from __future__ import annotations

import colorsys
from random import Random

from clipd.pocket.painter.canvas import Colour

Span = tuple[float, float]

# Hue, saturation and value that still go by the name, each as a span to draw from.
_NAMED: dict[str, tuple[Span, Span, Span]] = {
    "red": ((-0.015, 0.012), (0.8, 1.0), (0.72, 0.95)),
    "orange": ((0.06, 0.085), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((0.135, 0.16), (0.75, 1.0), (0.92, 1.0)),
    "green": ((0.29, 0.4), (0.6, 0.95), (0.42, 0.72)),
    "blue": ((0.58, 0.65), (0.7, 1.0), (0.6, 0.95)),
    "purple": ((0.75, 0.8), (0.55, 0.85), (0.45, 0.75)),
    "pink": ((0.9, 0.95), (0.35, 0.6), (0.95, 1.0)),
    "brown": ((0.05, 0.085), (0.55, 0.8), (0.33, 0.52)),
    "black": ((0.0, 1.0), (0.0, 0.2), (0.05, 0.15)),
    "white": ((0.0, 1.0), (0.0, 0.04), (0.94, 1.0)),
    "grey": ((0.55, 0.65), (0.0, 0.08), (0.45, 0.6)),
}


def mix(rng: Random, hue: Span, saturation: Span, value: Span) -> Colour:
    """Draw a colour from spans of hue (in turns), saturation and value."""
    parts = colorsys.hsv_to_rgb(
        rng.uniform(*hue) % 1.0, rng.uniform(*saturation), rng.uniform(*value)
    )
    red, green, blue = (round(part * 255) for part in parts)
    return red, green, blue


def named(rng: Random, name: str) -> Colour:
    """Draw a colour that a person would call by this name."""
    return mix(rng, *_NAMED[name])


def around(rng: Random, colour: Colour, spread: int = 18) -> Colour:
    """Draw a colour near another one."""
    red, green, blue = (max(0, min(255, part + rng.randint(-spread, spread))) for part in colour)
    return red, green, blue


def darker(colour: Colour, part: float = 0.7) -> Colour:
    """Give the colour in shade."""
    red, green, blue = (round(channel * part) for channel in colour)
    return red, green, blue


def lighter(colour: Colour, part: float = 0.35) -> Colour:
    """Give the colour in full light."""
    red, green, blue = (round(channel + (255 - channel) * part) for channel in colour)
    return red, green, blue
