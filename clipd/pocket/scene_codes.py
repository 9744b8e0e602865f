"""What scenes show, as numbers that arrays can compare, and what the model sees of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipd.pocket.scenes import Scene
from clipd.pocket.words import COLOURS, SCENES, TIMES, WEATHERS, Traits

SIDE = 224

Pixels = NDArray[np.uint8]  # (n, SIDE, SIDE, 3), RGB
Codes = NDArray[np.int16]  # (n, 6): subject, then a number for each trait; 0 is left open


def encode_traits(word: str, traits: Traits) -> tuple[int, ...]:
    """Give a subject and its traits as numbers that arrays can compare."""
    return (
        SCENES.index(word),
        ("", *COLOURS).index(traits.colour),
        traits.count - 1,
        ("", "left", "right").index(traits.position),
        ("", *TIMES).index(traits.time),
        ("", *WEATHERS).index(traits.weather),
    )


def fits(asked: Codes, shown: Codes) -> NDArray[np.bool_]:
    """Tell which scenes show all that is asked.

    Returns:
        shape (len(shown), len(asked)); the subject must agree, and each trait that is stated.
    """
    same = asked[None] == shown[:, None]
    loose = asked[None] == 0
    loose[..., 0] = False
    result: NDArray[np.bool_] = (same | loose).all(axis=2)
    return result


def as_seen(picture: Image.Image) -> Pixels:
    """Resize and crop as open_clip does: shorter side bicubic, then the square in the middle."""
    width, height = picture.size
    short = min(width, height)
    size = (int(SIDE * width / short), int(SIDE * height / short))
    small = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    return np.asarray(small.crop((left, top, left + SIDE, top + SIDE)))


def encode_scenes(scenes: Sequence[Scene]) -> Codes:
    """Give what scenes show as numbers that arrays can compare."""
    return np.array([encode_traits(scene.word, scene.traits) for scene in scenes], np.int16)
