"""What the embedded model learns from: batches of scenes, each with one caption."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch.nn import functional

from clipd.tiny import captions, model
from clipd.tiny.scene_pool import Codes, Pool, encode_traits, fits
from clipd.tiny.scenes import Scene
from clipd.tiny.words import SCENES

_MEAN = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(1, 3, 1, 1)
_STD = torch.tensor(open_clip.OPENAI_DATASET_STD).view(1, 3, 1, 1)


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch: pixels and tokens, and which caption fits which scene."""

    pixels: torch.Tensor  # float32, (n, 3, side, side), normalised
    tokens: torch.Tensor  # int64, (n, context), in the compact vocabulary
    fitting: torch.Tensor  # bool, (n scenes, n captions)
    related: torch.Tensor  # bool, (n, n): other scenes of the same subject


class Vocabulary:
    """The few hundred tokens that captions use, numbered from 1; 0 is every other token.

    Training a table of 49,408 rows for a few hundred words would spend most of a step on zeros.
    """

    def __init__(self) -> None:
        self._tokenize = model.tokenizer()
        ids = np.unique(self._tokenize(captions.vocabulary()).numpy())
        self.ids: NDArray[np.int64] = ids[ids > 0].astype(np.int64)

    def read(self, texts: list[str]) -> NDArray[np.int64]:
        """Give texts as rows of compact tokens, what is not known as 0."""
        full = self._tokenize(texts).numpy()
        place = np.searchsorted(self.ids, full).clip(max=len(self.ids) - 1)
        return np.where(self.ids[place] == full, place + 1, 0)


def pick(pool: Pool, size: int, dice: np.random.Generator) -> NDArray[np.int64]:
    """Choose the scenes of a batch: now any, now many of a few subjects.

    The latter differ by little more than a trait, so only a vector that carries the trait can
    tell them apart.
    """
    if dice.random() < 0.5:
        return dice.choice(len(pool.scenes), size, replace=False)
    subjects = dice.choice(len(SCENES), 16, replace=False)
    members = np.flatnonzero(np.isin(pool.codes[:, 0], subjects))
    return dice.choice(members, size, replace=len(members) < size)


def _captioned(scene: Scene, rng: Random) -> tuple[str, tuple[int, ...]]:
    """Give a caption that says some of what the scene shows, and its code."""
    chance = rng.choice((0.0, 0.5, 0.8))
    said = scene.only(tuple(name for name in scene.traits.stated() if rng.random() < chance))
    words = captions.phrase(scene.word, said, rng)
    template = rng.choice(captions.TRAINING_TEMPLATES)
    return template.format(words), encode_traits(scene.word, said)


def _with_strangers(tokens: NDArray[np.int64], rng: Random) -> NDArray[np.int64]:
    """Push unknown words in between, so that a vector learns to look past them."""
    for row in tokens:
        if rng.random() < 0.5:
            for _ in range(rng.randint(1, 5)):
                length = int(np.count_nonzero(row))
                spot = rng.randint(1, length)
                if row[-1] == 0:
                    row[spot + 1 :] = row[spot:-1].copy()
                    row[spot] = 0
    return tokens


def _jittered(pixels: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    """Shift a batch by a few pixels and vary its exposure."""
    side = pixels.shape[-1]
    padded = functional.pad(pixels, (3, 3, 3, 3), mode="replicate")
    x, y = (int(torch.randint(0, 7, (), generator=dice)) for _ in range(2))
    gain = 1 + 0.12 * torch.randn(len(pixels), 3, 1, 1, generator=dice).clamp(-2, 2) * 0.5
    lift = 0.04 * torch.randn(len(pixels), 1, 1, 1, generator=dice)
    return (padded[..., y : y + side, x : x + side] * gain + lift).clamp(0, 1)


def lessons(pool: Pool, vocabulary: Vocabulary, seed: int, size: int) -> Iterator[Lesson]:
    """Give one batch after another, without end."""
    rng, dice = Random(seed), np.random.default_rng(seed)
    torch_dice = torch.Generator().manual_seed(seed)
    while True:
        rows = pick(pool, size, dice)
        told = [_captioned(pool.scenes[row], rng) for row in rows]
        asked: Codes = np.array([code for _, code in told], np.int16)
        shown = pool.codes[rows]
        tokens = _with_strangers(vocabulary.read([text for text, _ in told]), rng)
        pixels = torch.from_numpy(pool.pixels[rows]).permute(0, 3, 1, 2).float() / 255
        related = (shown[:, None, 0] == shown[None, :, 0]) & ~np.eye(len(rows), dtype=bool)
        yield Lesson(
            pixels=(_jittered(pixels, torch_dice) - _MEAN) / _STD,
            tokens=torch.from_numpy(tokens),
            fitting=torch.from_numpy(fits(asked, shown)),
            related=torch.from_numpy(related),
        )
