"""Whether rougher vectors find the same photos as exact ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clipd.photo import Vectors

_COSINE = 0.99  # at least, of 19 in 20 pictures
_HITS = 0.9  # at least, of the first hits of the texts
_FIRST = 10  # hits that are compared

# What people look for, to see that the same pictures are found.
TEXTS = tuple(
    f"a photo of {thing}"
    for thing in (
        *("a dog", "a cat", "a bird", "a horse", "a flower", "a tree", "a forest", "a mountain"),
        *("the sea", "a beach", "a lake", "a river", "snow", "rain", "a sunset", "the night sky"),
        *("a city", "a street", "a house", "a church", "a bridge", "a garden", "a field"),
        *("a car", "a bicycle", "a train", "a boat", "an aeroplane", "a child", "a baby"),
        *("a woman", "a man", "two people", "a crowd", "a wedding", "a birthday", "a meal"),
        *("a cake", "fruit", "a cup of coffee", "a kitchen", "a living room", "a window"),
        *("a book", "a page of text", "a screen", "a drawing", "something red", "something blue"),
        "a black and white picture",
    )
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far rough vectors of some pictures agree with exact ones."""

    cosine: float  # 19 of 20 pictures agree at least so well; NaN where one has no vector
    hits: float  # share of the first hits that are the same, over all texts

    @property
    def is_enough(self) -> bool:
        """Whether a search is as good with them."""
        return self.cosine >= _COSINE and self.hits >= _HITS


def compared(rough: Vectors, exact: Vectors, texts: Vectors) -> Agreement:
    """Compare two sets of vectors of the same pictures, row by row.

    Args:
        rough: of pictures, more than a handful.
        exact: of the same pictures.
        texts: of what is looked for among them.
    """
    cosines = np.sum(rough * exact, axis=1)
    found, wanted = (np.argsort(-(texts @ some.T), axis=1)[:, :_FIRST] for some in (rough, exact))
    same = [len(np.intersect1d(*rows)) for rows in zip(found, wanted, strict=True)]
    return Agreement(float(np.percentile(cosines, 5)), float(np.sum(same)) / found.size)
