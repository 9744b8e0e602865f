"""All that the lessons draw on: what words look like, what is painted, and the tokens of both."""

from __future__ import annotations

from random import Random

import numpy as np

from clipd.pocket import captions
from clipd.pocket.teaching.image_tower import Features, ImageTower
from clipd.pocket.teaching.painted import Pool
from clipd.pocket.teaching.prototypes import Classes, Look, directions, entries, looks
from clipd.pocket.teaching.sentences import SentenceWriter
from clipd.pocket.teaching.tokens import Tokens
from clipd.pocket.teaching.wordnet import Nouns
from clipd.pocket.vocabulary import SILENT, plural

PHOTO_DIM = 264  # of the vector's numbers, those that come from the classifier's rows
UNSAID = 1  # the last of them: no picture has it, only texts that say nothing known


class Course:
    """All that the lessons draw on, made once."""

    def __init__(self, tower: ImageTower, nouns: Nouns, pool: Pool, written: str) -> None:
        self.tower, self.pool = tower, pool
        self.looks = looks(nouns, Classes(nouns), written)
        _, _, axes = np.linalg.svd(tower.rows, full_matrices=False)
        self.axes: Features = axes[:PHOTO_DIM]  # (264, 1280)
        self.favourites = sorted({word for words, _ in entries(written) for word in words})
        pointing = directions(self.looks, tower.rows @ self.axes.T)
        strangers = _strangers(nouns, self.looks)
        self.writer = SentenceWriter(self.looks, pointing, strangers)
        self.painted_words = set(" ".join(captions.vocabulary()).split()) - SILENT
        spoken = [*self.looks, *map(plural, self.looks), *SILENT, *captions.vocabulary()]
        self.tokens = Tokens(spoken)


def _strangers(nouns: Nouns, found: dict[str, Look]) -> list[str]:
    """Give words that look like nothing known, a sentence may hold them all the same."""
    words = sorted(w for w in nouns.meanings if w.isalpha() and w not in found and len(w) < 12)
    return Random(0).sample(words, min(len(words), 4_000))
