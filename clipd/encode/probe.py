"""Pictures and texts that show whether two ways to compute a model agree, and how fast each is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipd.photo import Pixels, Vectors

AGREEMENT = 0.999  # least cosine between the vectors of a precision and those of fp32
GAIN = 1.2  # how much faster a lower precision must be: below, timing noise would decide
PROBE_TEXTS = ("a photo of a cat", "sunset over the sea", "two people at a table, indoors", "x")
_PICTURES = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """What a precision made of the probe: how fast, and how far from fp32."""

    seconds: float
    vectors: Vectors  # of the pictures, then of the texts


def probe_pictures(side: int) -> Pixels:
    """Return pictures with smooth areas, edges and noise, the same each time."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    pictures = []
    for number in range(_PICTURES):
        waves = np.sin((number + 1) * 3 * rows + 2 * columns * number)
        colours = random.uniform(40, 215, 3) + 40 * waves[..., None] * random.uniform(-1, 1, 3)
        colours += random.normal(0, 4 * number, (side, side, 3))
        colours[(rows - 0.5) ** 2 + (columns - 0.4) ** 2 < 0.02 * (number + 1)] *= 0.4
        pictures.append(colours.clip(0, 255).astype(np.uint8))
    return np.stack(pictures)


def least_cosine(some: Vectors, others: Vectors) -> float:
    """Return the cosine of the two rows that agree least; NaN where one is not usable."""
    return float(np.sum(some * others, axis=1).min())
