"""A pool of drawn scenes, as the model will see them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipd.tiny.scenes import Scene, random_scene
from clipd.tiny.words import COLOURS, SCENES, TIMES, WEATHERS, Traits

SIDE = 64

Pixels = NDArray[np.uint8]  # (n, SIDE, SIDE, 3), RGB
Codes = NDArray[np.int16]  # (n, 6): subject, then a number for each trait; 0 is left open

# Small pictures draw ten times faster than photo-sized ones; the model sees 64 pixels of either.
_SIZES = ((160, 120), (160, 120), (176, 132), (120, 160), (128, 128), (256, 192))


@dataclass(frozen=True, slots=True)
class Pool:
    """Scenes, what each shows, and its picture; all in the same order."""

    scenes: tuple[Scene, ...]
    codes: Codes
    pixels: Pixels


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


def _draw_small(scene: Scene) -> Pixels:
    return as_seen(scene.draw(_SIZES[scene.seed % len(_SIZES)]))


def encode_scenes(scenes: Sequence[Scene]) -> Codes:
    """Give what scenes show as numbers that arrays can compare."""
    return np.array([encode_traits(scene.word, scene.traits) for scene in scenes], np.int16)


def fill_pool(seeds: Sequence[int]) -> Pool:
    """Draw one scene a seed, on all cores."""
    scenes = tuple(random_scene(seed) for seed in seeds)
    # A fork would copy the threads' locks of whoever calls, so the workers start afresh.
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as workers:
        pixels = np.stack(workers.map(_draw_small, scenes, chunksize=64))
    return Pool(scenes, encode_scenes(scenes), pixels)
