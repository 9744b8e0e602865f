"""The exam: how well the embedded model knows scenes and sentences that it was never shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clipd.pocket.captions import REPORT_TEMPLATES, phrase
from clipd.pocket.photo_exam import area_under_curve
from clipd.pocket.scene_codes import encode_scenes, encode_traits, fits
from clipd.pocket.scenes import Scene, random_scene
from clipd.pocket.words import SCENES, SUBJECTS, THINGS, Traits

if TYPE_CHECKING:  # setting the questions needs no torch
    from clipd.pocket.model import PocketEncoder, Vectors

BEST = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """The marks, each from 0 to 1.

    Attributes:
        first_word: pictures for which the right one of all scene words ranks first.
        best_pictures: of the five best pictures for a scene word, how many show it.
        two_traits: of the five best for a caption with two traits, how many show both.
        neighbours: pictures whose nearest neighbour shows the same scene.
        presence: how well the best hit's score tells scene words whose pictures are in the
            library from those whose pictures are not: area under the ROC curve.
    """

    first_word: float
    best_pictures: float
    two_traits: float
    neighbours: float
    presence: float


@dataclass(frozen=True, slots=True)
class Question:
    """A caption with two traits: "a red car at night"."""

    word: str
    traits: Traits

    def text(self, template: str) -> str:
        """Give it as a sentence."""
        return template.format(phrase(self.word, self.traits))


def set_questions(count: int) -> list[Question]:
    """Make up captions that state two traits, no two alike."""
    rng, questions = Random("questions"), dict[Question, None]()
    while len(questions) < count:
        scene = random_scene(rng.getrandbits(32), rng.choice(THINGS).word)
        stated = scene.traits.stated()
        if len(stated) >= 2:
            pair = tuple(rng.sample(stated, 2))
            questions[Question(scene.word, scene.only(pair))] = None
    return list(questions)


def answer_scenes(question: Question, right: int, wrong: int, first_seed: int) -> list[Scene]:
    """Make up scenes that show a question's two traits, and near misses that show one."""
    rng, scenes = Random(f"answers|{first_seed}"), list[Scene]()
    for seed in range(first_seed, first_seed + right + wrong):
        asked = question.traits
        if len(scenes) >= right:
            asked = _spoilt(question, rng)
        scenes.append(_showing(question.word, asked, seed))
    return scenes


def _spoilt(question: Question, rng: Random) -> Traits:
    """Give the question's traits with one of the two changed or gone."""
    name = rng.choice(question.traits.stated())
    subject = SUBJECTS[question.word]
    others: dict[str, tuple[str | int, ...]] = {
        "colour": subject.colours,
        "count": (1, 2, 3, 4),
        "position": ("left", "right"),
        "time": ("", *subject.times),
        "weather": ("", *subject.weathers),
    }
    now = getattr(question.traits, name)
    if name == "count" and question.traits.position:
        return replace(question.traits, position="")
    other = rng.choice([value for value in others[name] if value != now])
    return replace(question.traits, **{name: other})  # type: ignore[arg-type]


def _showing(word: str, asked: Traits, seed: int) -> Scene:
    """Make up a scene that shows what is asked, the rest drawn as ever."""
    scene = random_scene(seed, word)
    stated = {name: getattr(asked, name) for name in asked.stated()}
    traits = replace(scene.traits, **stated)
    if asked.position:
        traits = replace(traits, count=1)
    elif traits.count > 1:
        traits = replace(traits, position="")
    return Scene(word, traits, seed)


def examine(
    encoder: PocketEncoder,
    scenes: Sequence[Scene],
    images: Vectors,
    candidates: Sequence[Scene],
    candidate_images: Vectors,
    questions: Sequence[Question],
) -> Figures:
    """Ask everything.

    Args:
        encoder: the model.
        scenes: what the pictures show, for all but the questions with two traits.
        images: the vectors of their pictures.
        candidates: the scenes among which the questions look for answers.
        candidate_images: the vectors of their pictures.
        questions: captions with two traits, each with five right answers or more.
    """
    truth = encode_scenes(scenes)[:, 0]
    scores = np.stack([images @ words.T for words in _word_vectors(encoder)])
    templates = np.arange(len(scenes)) % len(scores)
    ranked = scores[templates, np.arange(len(scenes))].argmax(axis=1)
    return Figures(
        first_word=float((ranked == truth).mean()),
        best_pictures=float(np.mean([_best_pictures(score, truth) for score in scores])),
        two_traits=_two_traits(encoder, candidates, candidate_images, questions),
        neighbours=_neighbours(images, truth),
        presence=_presence(scores[0], truth),
    )


def _word_vectors(encoder: PocketEncoder) -> list[Vectors]:
    """Give the vectors of all scene words, once for each template."""
    names = [phrase(word, Traits()) for word in SCENES]
    return [encoder.encode_texts([t.format(name) for name in names]) for t in REPORT_TEMPLATES]


def _best_pictures(score: Vectors, truth: NDArray[np.int16]) -> float:
    """Give the mean share of right ones among the five best, over words with five pictures."""
    shares = []
    for word in range(len(SCENES)):
        if (truth == word).sum() >= BEST:
            best = np.argsort(-score[:, word])[:BEST]
            shares.append((truth[best] == word).mean())
    return float(np.mean(shares))


def _two_traits(
    encoder: PocketEncoder,
    candidates: Sequence[Scene],
    images: Vectors,
    questions: Sequence[Question],
) -> float:
    asked = np.array([encode_traits(q.word, q.traits) for q in questions], np.int16)
    right = fits(asked, encode_scenes(candidates))
    texts = [
        question.text(REPORT_TEMPLATES[i % len(REPORT_TEMPLATES)])
        for i, question in enumerate(questions)
    ]
    best = np.argsort(-(images @ encoder.encode_texts(texts).T), axis=0)[:BEST]
    return float(np.take_along_axis(right, best, axis=0).mean())


def _neighbours(images: Vectors, truth: NDArray[np.int16]) -> float:
    closeness = images @ images.T
    np.fill_diagonal(closeness, -1)
    return float((truth[closeness.argmax(axis=1)] == truth).mean())


def _presence(score: Vectors, truth: NDArray[np.int16]) -> float:
    """Ask every word of a library that holds the pictures of every other word."""
    curves = []
    for held in (0, 1):
        best = score[truth % 2 == held].max(axis=0)
        curves.append(area_under_curve(best[held::2], best[1 - held :: 2]))
    return float(np.mean(curves))


def encode_pictures(encoder: PocketEncoder, pictures: Sequence[Image.Image]) -> Vectors:
    """Encode many pictures, a hundred at a time."""
    parts = [encoder.encode_images(pictures[i : i + 100]) for i in range(0, len(pictures), 100)]
    return np.concatenate(parts)
