"""Painted scenes as the image tower sees them, and batches of them with captions."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from clipd.pocket import captions
from clipd.pocket.scene_codes import Codes, as_seen, encode_scenes, encode_traits, fits
from clipd.pocket.scenes import Scene, random_scene
from clipd.pocket.teaching.image_tower import Features, ImageTower, features_of
from clipd.pocket.words import SCENES

# Small pictures draw several times faster than photo-sized ones; 224 pixels of either are seen.
_SIZES = ((320, 240), (320, 240), (352, 264), (240, 320), (288, 288), (448, 336))
_BATCH = 64

Surround: TypeAlias = Callable[[Random, str], str]


@dataclass(frozen=True, slots=True)
class Pool:
    """Scenes, what each shows, and its features; all in the same order."""

    scenes: tuple[Scene, ...]
    codes: Codes
    features: Features


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch of scenes with one caption each, and which caption fits which scene."""

    features: torch.Tensor  # float32, (n, 1280)
    texts: list[str]
    fitting: torch.Tensor  # bool, (n scenes, n captions)


def _drawn(scene: Scene) -> NDArray[np.uint8]:
    return as_seen(scene.draw(_SIZES[scene.seed % len(_SIZES)]))


def fill_pool(tower: ImageTower, seeds: Sequence[int]) -> Pool:
    """Draw one scene a seed, on all cores, and look at each."""
    scenes = tuple(random_scene(seed) for seed in seeds)
    parts: list[Features] = []
    # A fork would copy the threads' locks of whoever calls, so the workers start afresh.
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as workers:
        waiting: list[NDArray[np.uint8]] = []
        for picture in workers.imap(_drawn, scenes, chunksize=16):
            waiting.append(picture)
            if len(waiting) == _BATCH:
                parts.append(features_of(tower, np.stack(waiting)))
                waiting.clear()
        if waiting:
            parts.append(features_of(tower, np.stack(waiting)))
    return Pool(scenes, encode_scenes(scenes), np.concatenate(parts))


def pick(pool: Pool, size: int, dice: np.random.Generator) -> NDArray[np.int64]:
    """Choose the scenes of a batch: now any, now many of a few subjects.

    The latter differ by little more than a trait, so only a vector that carries the trait can
    tell them apart.
    """
    if dice.random() < 0.5:
        return dice.choice(len(pool.scenes), size, replace=False)
    subjects = dice.choice(len(SCENES), 12, replace=False)
    members = np.flatnonzero(np.isin(pool.codes[:, 0], subjects))
    return dice.choice(members, size, replace=len(members) < size)


def _captioned(scene: Scene, rng: Random, surround: Surround) -> tuple[str, tuple[int, ...]]:
    """Give a caption that says some of what the scene shows, and its code.

    Half of them stand among other words: with a few templates alone, the text tower learns the
    templates by heart and does not find the same words in another sentence.
    """
    chance = rng.choice((0.0, 0.5, 0.8))
    said = scene.only(tuple(name for name in scene.traits.stated() if rng.random() < chance))
    words = captions.phrase(scene.word, said, rng)
    if rng.random() < 0.5:
        text = surround(rng, words)
    else:
        text = rng.choice(captions.TRAINING_TEMPLATES).format(words)
    return text, encode_traits(scene.word, said)


def lessons(pool: Pool, seed: int, size: int, surround: Surround) -> Iterator[Lesson]:
    """Give one batch after another, without end.

    Args:
        pool: the scenes.
        seed: of the dice.
        size: of a batch.
        surround: puts a caption into a sentence.
    """
    rng, dice = Random(seed), np.random.default_rng(seed)
    while True:
        rows = pick(pool, size, dice)
        told = [_captioned(pool.scenes[row], rng, surround) for row in rows]
        asked: Codes = np.array([code for _, code in told], np.int16)
        yield Lesson(
            features=torch.from_numpy(pool.features[rows]),
            texts=[text for text, _ in told],
            fitting=torch.from_numpy(fits(asked, pool.codes[rows])),
        )
