"""Scenes: pictures drawn from words, endless and each with its captions.

picture = draw("a red car at night", seed=7)
scene = random_scene(seed=7)
scene.words, scene.caption("holiday picture, {}"), scene.draw()
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from PIL import Image

from clipd.pocket.captions import parse, phrase
from clipd.pocket.painter.easel import paint
from clipd.pocket.words import SCENES, SUBJECTS, Subject, Traits

__all__ = ["SCENES", "Scene", "draw", "random_scene"]

SIZE = (640, 480)


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture that could be drawn, known down to the last pixel.

    Attributes:
        word: its subject, one of `SCENES`.
        traits: what else it is sure to show.
        seed: decides everything that the words leave open.
    """

    word: str
    traits: Traits
    seed: int

    @property
    def words(self) -> str:
        """Everything it shows, in a few words."""
        return phrase(self.word, self.traits)

    def caption(self, template: str = "{}", mention: tuple[str, ...] | None = None) -> str:
        """Give a caption.

        Args:
            template: the sentence, with {} where the words go.
            mention: names of the traits to say; all of them when it is None.
        """
        return template.format(phrase(self.word, self.only(mention)))

    def only(self, mention: tuple[str, ...] | None) -> Traits:
        """Give its traits with all but the named ones left open."""
        if mention is None:
            return self.traits
        return Traits(**{name: getattr(self.traits, name) for name in mention})

    def draw(self, size: tuple[int, int] = SIZE) -> Image.Image:
        """Draw it: always the same picture for the same size."""
        return paint(self.word, self.traits, Random(f"{self.words}|{self.seed}"), size)


def draw(words: str, seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw what a few words ask for.

    Args:
        words: a scene word, with or without colour, count, position, weather and time of day.
        seed: another seed gives another picture of the same.
        size: width and height in pixels.

    Returns:
        An RGB picture, the same for the same arguments.

    Raises:
        SceneError: the words name none of `SCENES`; its text lists them.
    """
    word, traits = parse(words)
    return Scene(word, traits, seed).draw(size)


def random_scene(seed: int, word: str | None = None) -> Scene:
    """Make up a scene.

    Args:
        seed: decides everything.
        word: its subject; drawn from all when None.
    """
    rng = Random(f"scene|{seed}")
    subject = SUBJECTS[word or rng.choice(SCENES)]
    return Scene(subject.word, _random_traits(subject, rng), seed)


def _random_traits(subject: Subject, rng: Random) -> Traits:
    counted = bool(subject.plural)
    count = rng.choice((2, 3, 4)) if counted and rng.random() < 0.3 else 1
    placed = counted and count == 1 and rng.random() < 0.3
    return Traits(
        colour=rng.choice(subject.colours) if subject.colours else "",
        count=count,
        position=rng.choice(("left", "right")) if placed else "",
        time=rng.choice(subject.times) if subject.times and rng.random() < 0.3 else "",
        weather=rng.choice(subject.weathers) if subject.weathers and rng.random() < 0.3 else "",
    )
