"""What a cosine means for one model and one library: confidence, and the bar below which is noise.

Cosines of one model lie between .2 and .35, of another between .1 and .9. What they are worth is
learnt from texts that no photo shows: how near does the nearest photo come all the same? And from
pairs of pictures of the library: how alike are two that have nothing to do with each other? No hit
of a person's query is ever learnt from.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Cosines = NDArray[np.float32]

VERSION = 1
# With fewer photos the nearest to a text that none shows says little of the next one.
LEAST_PHOTOS = 20
_LOW = 0.1  # of the reference texts; below their median are those that surely no photo shows
_BAR_CONFIDENCE = 0.15
_SPREADS = 2.0  # from the bar to a confidence of a half
_LEAST_SPREAD = 0.005
_ALIKE = 0.5  # of the way from pictures that have nothing in common to the same picture
_STEEPNESS = 10.0


@dataclass(frozen=True, slots=True)
class Curve:
    """The logistic curve from a cosine to confidence; at ``middle`` it is a half."""

    middle: float
    scale: float

    def confidence(self, cosines: Cosines) -> Cosines:
        """Return confidence, 0 to 1, that grows with the cosine."""
        slope = (np.asarray(cosines, np.float64) - self.middle) / self.scale
        confidence: Cosines = (1 / (1 + np.exp(-slope.clip(-60, 60)))).astype(np.float32)
        return confidence


@dataclass(frozen=True, slots=True)
class Calibration:
    """What cosines of a model are worth in a library.

    Attributes:
        photos: how many there were.
        bar: the cosine below which a photo is no hit for words; None: too few photos to tell.
        words: of texts.
        pictures: of query pictures.
    """

    photos: int
    bar: float | None
    words: Curve
    pictures: Curve

    def is_stale(self, photos: int) -> bool:
        """Whether the library has changed so much that this is to be learnt again."""
        return not self.photos / 1.5 <= photos <= self.photos * 1.5

    def to_json(self) -> str:
        """Write it as a line."""
        curves = [self.words.middle, self.words.scale, self.pictures.middle, self.pictures.scale]
        line = {"version": VERSION, "photos": self.photos, "bar": self.bar, "curves": curves}
        return json.dumps(line)

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """Read what ``to_json`` wrote; None where it is anything else."""
        try:
            line = json.loads(text)
            if line["version"] != VERSION:
                return None
            a, b, c, d = (float(number) for number in line["curves"])
            bar = None if line["bar"] is None else float(line["bar"])
            numbers = (a, b, c, d, 0.0 if bar is None else bar)
            if not all(map(math.isfinite, numbers)) or b <= 0 or d <= 0:
                return None
            return cls(int(line["photos"]), bar, Curve(a, b), Curve(c, d))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None


def calibrate(photos: int, nearest: Cosines, pairs: Cosines) -> Calibration:
    """Learn from a library.

    Args:
        photos: how many there are.
        nearest: for each reference text the cosine of the photo that is nearest to it.
        pairs: cosines of pictures of the library, drawn at random.
    """
    median, low = (float(each) for each in np.quantile(nearest, [0.5, _LOW]))
    spread = max(median - low, _LEAST_SPREAD)
    # The bar is where the curve says `_BAR_CONFIDENCE`. Median and spread of the lower half: a
    # reference text that some photo does show changes neither.
    logit = math.log(1 / _BAR_CONFIDENCE - 1)
    words = Curve(median + _SPREADS * spread, _SPREADS * spread / logit)
    strangers = float(np.median(pairs)) if len(pairs) else 0.0
    apart = max(1 - strangers, 0.01)
    pictures = Curve(strangers + _ALIKE * apart, apart / _STEEPNESS)
    return Calibration(photos, median if photos >= LEAST_PHOTOS else None, words, pictures)
