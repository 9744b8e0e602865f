"""What words look like: directions in the image tower's features, from its classifier's rows.

A picture scores high on a row when it shows the class. So the mean of the rows below a node of
WordNet is what a dog, a vehicle or food looks like; what has no class of its own looks like what
is seen with it (`everyday.txt`), or, weakly, like the classes whose definitions speak of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from timm.data.imagenet_info import ImageNetInfo

from clipd.pocket.teaching.image_tower import CLASSES, Features
from clipd.pocket.teaching.wordnet import Nouns

EVERYDAY = Path(__file__).with_name("everyday.txt")

Weights = NDArray[np.float32]  # (1000,), how much each class has to do with a word

# A node above more classes than this (thing, object, whole) looks like nothing in particular.
_MOST_CLASSES = 300
_SENSES = 4  # the later meanings of a word are rare ones
_GLOSS_CLASSES = 40  # a word in more definitions than this says nothing about any of them
_MEMBER = re.compile(r"(.*?)(?: (\d*\.\d+))?")


@dataclass(frozen=True, slots=True)
class Look:
    """What one word or phrase looks like.

    Attributes:
        weights: of the classes.
        trust: 1 for what has classes of its own or is written down, less for a guess.
    """

    weights: Weights
    trust: float


class Classes:
    """The thousand classes: their names, their definitions and their place in WordNet."""

    def __init__(self, nouns: Nouns) -> None:
        info = ImageNetInfo("imagenet-1k")
        described = [info.index_to_description(i, detailed=True) for i in range(CLASSES)]
        self.names = [names.lower().split(", ") for names, _, _ in map(_parted, described)]
        self.glosses = [gloss for _, _, gloss in map(_parted, described)]
        self.below: dict[int, list[int]] = defaultdict(list)
        for number, names in enumerate(self.names):
            meaning = _meaning(nouns, names, self.glosses[number])
            for offset in nouns.chain(meaning) if meaning is not None else ():
                self.below[offset].append(number)

    def named(self, name: str) -> list[int]:
        """Return the classes of a name: those that it comes first for, else all that have it."""
        first = [i for i, names in enumerate(self.names) if names[0] == name]
        return first or [i for i, names in enumerate(self.names) if name in names]


def _parted(description: str) -> tuple[str, str, str]:
    return description.partition(": ")


def _meaning(nouns: Nouns, names: list[str], gloss: str) -> int | None:
    """Find a class in WordNet 3.1 (its id is one of 3.0) by its names and its definition."""

    def likeness(offset: int) -> float:
        sense = nouns.senses[offset]
        mine, theirs = set(re.findall(r"\w+", gloss)), set(re.findall(r"\w+", sense.gloss))
        shared = len(mine & theirs) / max(1, len(mine | theirs))
        return len(set(sense.lemmas) & set(names)) + 3 * shared

    offered = [offset for name in names for offset in nouns.meanings.get(name, ())]
    return max(offered, key=likeness, default=None)


def looks(nouns: Nouns, classes: Classes, written: str) -> dict[str, Look]:
    """Return what every word and phrase that can be known looks like.

    What is written down goes before WordNet, which goes before definitions.

    Args:
        written: as `everyday` reads it.
    """
    found = {word: Look(weights, 0.3) for word, weights in _from_glosses(classes).items()}
    for lemma, offsets in nouns.meanings.items():
        for offset in offsets[:_SENSES]:
            below = classes.below.get(offset, [])
            if 0 < len(below) <= _MOST_CLASSES:
                found[lemma] = Look(_spread(below), 1.0 if len(below) < 100 else 0.7)
                break
    for number, names in enumerate(classes.names):
        for name in names:
            found.setdefault(name, Look(_spread([number]), 1.0))
    found |= {word: Look(v, 1.0) for word, v in everyday(written, classes, found).items()}
    return found


def _spread(members: list[int]) -> Weights:
    weights = np.zeros(CLASSES, np.float32)
    weights[members] = 1 / len(members)
    return weights


def everyday(text: str, classes: Classes, known: dict[str, Look]) -> dict[str, Weights]:
    """Read what is written down of everyday words.

    Args:
        text: lines of `words = class weight, class, noun weight`; # begins a remark.
        classes: what a class's name means.
        known: what another noun means.

    Returns:
        The weights of each word, summed where it stands on several lines.

    Raises:
        ValueError: a line names what is neither a class nor a noun with classes.
    """
    found: dict[str, Weights] = {}
    for words, members in entries(text):
        weights = np.zeros(CLASSES, np.float32)
        for member in members:
            match = _MEMBER.fullmatch(member)
            assert match is not None
            weights += float(match[2] or 1) * _member(match[1].lower(), classes, known)
        for word in words:
            found[word] = found.get(word, 0) + weights
    return found


def entries(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the words of each line, and the members after its equals sign with their weights."""
    for line in text.splitlines():
        words, equals, members = line.partition("#")[0].strip().partition(" = ")
        if equals:
            yield words.split(", "), members.split(", ")


def _member(name: str, classes: Classes, known: dict[str, Look]) -> Weights:
    numbers = classes.named(name)
    if not numbers and name in known:
        numbers = np.flatnonzero(known[name].weights).tolist()
    if not numbers:
        raise ValueError(f"nothing is called {name!r}")
    weights = np.zeros(CLASSES, np.float32)
    weights[numbers] = len(numbers) ** -0.5
    return weights


def _from_glosses(classes: Classes) -> dict[str, Weights]:
    """Give words of definitions the classes that are defined with them."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, gloss in enumerate(classes.glosses):
        for word in set(re.findall(r"[a-z]{3,}", gloss.lower())):
            places[word].append(number)
    return {word: _spread(places[word]) for word in places if len(places[word]) <= _GLOSS_CLASSES}


def directions(found: dict[str, Look], rows: Features) -> dict[str, Features]:
    """Turn looks into unit directions in the space of the (centred) rows."""
    matrix = np.stack([look.weights for look in found.values()]) @ rows
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return dict(zip(found, matrix, strict=True))
