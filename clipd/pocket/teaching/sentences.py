"""Made sentences: words that look like something, among words that do not.

What a sentence should look like is the sum of what its words look like. The text tower is not
told so: it reads the sentences and has to find the sums.
"""

from __future__ import annotations

from random import Random

import numpy as np

from clipd.pocket.teaching.image_tower import Features
from clipd.pocket.teaching.prototypes import Look
from clipd.pocket.vocabulary import SILENT, plural, split

_FRAMES = (
    *("{}", "{}", "{}", "{}", "a photo of {}", "photo of {}", "a picture of {}", "an image of {}"),
    *("this is {}", "there is {} here", "{} in the picture", "a close up of {}", "my {}", "the {}"),
    *("a view of {}", "{}, as it was", "some {}", "looking at {}", "a good photo of {}"),
)
_JOINTS = (
    *("and", "with", "on", "in", "near", "next to", "at", "by", "in front of", "behind", "under"),
    *("over", "beside", "is on", "are in", "with a", "on a", "in the", "of", "from", "through"),
    *("standing on", "sitting on", "standing in", "sitting next to", "is holding", "looking at"),
    *(",", "that is on", "wearing a", "along the", "against a", "while", "to", "for", "as"),
)
_STARTS = ("", "", "", "a ", "the ", "an ", "two ", "some ", "three ", "one ", "many ", "his ")


class SentenceWriter:
    """Writes sentences of known words, and knows what each should look like."""

    def __init__(
        self, looks: dict[str, Look], directions: dict[str, Features], strangers: list[str]
    ) -> None:
        """Take what can be said.

        Args:
            looks: all that looks like something.
            directions: the unit direction of each.
            strangers: words without a look, to be read over.
        """
        self._looks, self._directions, self._strangers = looks, directions, strangers
        self._names = sorted(looks)
        self._phrases = set(looks) | SILENT
        self._dim = len(next(iter(directions.values())))

    def write(self, rng: Random, favourites: list[str]) -> str:
        """Make up one sentence; a favourite is chosen as often as all other words together."""
        count = rng.choice((1, 1, 1, 2, 2, 3, 3, 4, 5))
        parts = [self._part(rng, favourites)]
        for _ in range(count - 1):
            parts += [rng.choice(_JOINTS), self._part(rng, favourites)]
        for _ in range(rng.choice((0, 0, 0, 1, 2)) if self._strangers else 0):
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(self._strangers))
        frame = rng.choice(_FRAMES) if rng.random() < 0.6 else "{}"
        return frame.format(" ".join(parts))

    def surround(self, rng: Random, phrase: str) -> str:
        """Put a phrase into a sentence the other words of which are to be read over."""
        parts = [rng.choice(_FRAMES).format(phrase)]
        for _ in range(rng.choice((0, 1, 1, 2, 3)) if self._strangers else 0):
            said = rng.choice(self._strangers)
            if rng.random() < 0.5:
                said = f"{rng.choice(_JOINTS)} {said}"
            parts.insert(rng.randrange(len(parts) + 1), said)
        return " ".join(parts)

    def _part(self, rng: Random, favourites: list[str]) -> str:
        name = rng.choice(favourites if rng.random() < 0.5 else self._names)
        if self._looks[name].trust < 0.5 and rng.random() < 0.5:
            name = rng.choice(favourites)
        if rng.random() < 0.25:
            name = plural(name)
        return rng.choice(_STARTS) + name

    def target(self, text: str) -> Features:
        """Return what a text should look like, and how far that is unsaid.

        Returns:
            (dim + 1,), unit: the sum of its words' directions, and last, what is left over when
            its surest word is a guess, or no word is known.
        """
        names = [name for name in split(text, self._phrases) if name in self._looks]
        target = np.zeros(self._dim + 1, np.float32)
        if not names:
            target[-1] = 1
            return target
        total = sum(self._looks[name].trust * self._directions[name] for name in names)
        trust = max(self._looks[name].trust for name in names)
        target[:-1] = trust * total / np.linalg.norm(total)
        target[-1] = np.sqrt(1 - trust**2)
        return target
