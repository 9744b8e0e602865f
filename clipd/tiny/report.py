"""Examine the shipped weights and write the figures: `python -m clipd.tiny.report`."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clipd.tiny import exam
from clipd.tiny.model import TinyEncoder, create
from clipd.tiny.scenes import SCENES, Scene, random_scene
from clipd.tiny.weights import HERE, checkpoint

CARD = HERE / "CARD.md"
SCENES_ASKED = 1_000
QUESTIONS = 50
BARS = exam.Figures(first_word=0.90, best_pictures=0.95, two_traits=0.80, neighbours=0.95)

_START, _END = "<!-- figures -->", "<!-- end of figures -->"
_ROWS = {
    "first_word": f"of all {len(SCENES)} scene words, the right one ranks first",
    "best_pictures": "of the five best pictures for a scene word, right ones",
    "two_traits": 'of the five best for two traits ("a red car at night"), both right',
    "neighbours": "nearest neighbour of a picture shows the same scene",
}


@dataclass(frozen=True, slots=True)
class PhotoFigures:
    """What the model makes of photos: ranks of the right caption, 1 is best."""

    photos: int
    median_rank: float
    first: float

    @property
    def chance_rank(self) -> float:
        """The median rank that guessing would give."""
        return (self.photos + 1) / 2


def _draw(scene: Scene) -> Image.Image:
    return scene.draw()


def take_pictures(scenes: Sequence[Scene]) -> list[Image.Image]:
    """Draw scenes at full size, on all cores."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as workers:
        return workers.map(_draw, scenes, chunksize=20)


def candidates_for(questions: Sequence[exam.Question], total: int) -> list[Scene]:
    """Make up the scenes that questions choose from: six right a question, near misses, others."""
    scenes = []
    for i, question in enumerate(questions):
        scenes += exam.answer_scenes(question, right=6, wrong=4, first_seed=100_000 + i * 10)
    return scenes + [random_scene(seed) for seed in range(200_000, 200_000 + total - len(scenes))]


def measure(encoder: TinyEncoder) -> exam.Figures:
    """Examine a model on pictures never trained on, asked in sentences never trained on."""
    scenes = [random_scene(seed) for seed in range(SCENES_ASKED)]
    questions = exam.set_questions(QUESTIONS)
    candidates = candidates_for(questions, SCENES_ASKED)
    vectors = exam.encode_pictures(encoder, take_pictures([*scenes, *candidates]))
    first, second = vectors[: len(scenes)], vectors[len(scenes) :]
    return exam.examine(encoder, scenes, first, candidates, second, questions)


def measure_photos(encoder: TinyEncoder, corpus: Path) -> PhotoFigures | None:
    """Let photos choose among their captions; None where the photos are not at hand."""
    manifest = corpus / "manifest.jsonl"
    if not manifest.exists():
        return None
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    photos = [line for line in lines if line.get("captions")]
    pictures = [Image.open(corpus / line["path"]).convert("RGB") for line in photos]
    scores = (
        exam.encode_pictures(encoder, pictures)
        @ encoder.encode_texts([line["captions"][0] for line in photos]).T
    )
    # Captions without a known word all get one vector: ties count half, as guessing would.
    own = np.diag(scores)[:, None]
    ranks = 0.5 + (scores > own).sum(axis=1) + 0.5 * (scores == own).sum(axis=1)
    return PhotoFigures(len(photos), float(np.median(ranks)), float((ranks <= 1).mean()))


def as_table(figures: exam.Figures, photos: PhotoFigures | None) -> str:
    """Give the figures as the card shows them."""
    lines = ["| asked | figure | bar |", "|---|---|---|"]
    for name, text in _ROWS.items():
        lines.append(f"| {text} | {getattr(figures, name):.3f} | {getattr(BARS, name):.2f} |")
    if photos:
        lines += [
            "",
            f"On {photos.photos} photos with human captions, the right caption has median rank "
            f"{photos.median_rank:g} of {photos.photos} (guessing: {photos.chance_rank:g}) and "
            f"ranks first for {photos.first:.0%} (guessing: {1 / photos.photos:.0%}).",
        ]
    return "\n".join(lines)


def write_card(table: str, card: Path = CARD) -> None:
    """Put the figures into the card, between its marks."""
    text = card.read_text()
    head, tail = text[: text.index(_START) + len(_START)], text[text.index(_END) :]
    card.write_text(f"{head}\n{table}\n{tail}")


def passes(figures: exam.Figures) -> bool:
    """Tell whether every figure reaches its bar."""
    return all(getattr(figures, name) >= getattr(BARS, name) for name in _ROWS)


def main() -> int:
    """Measure, print, write the card; 1 when a figure misses its bar."""
    corpus = Path(os.environ.get("CLIPD_CORPUS", "../shared/corpus"))
    with tempfile.TemporaryDirectory() as folder:
        encoder = TinyEncoder(create(checkpoint(Path(folder))))
    figures, photos = measure(encoder), measure_photos(encoder, corpus)
    table = as_table(figures, photos)
    print(table)
    if photos is None:
        print(f"no photos at {corpus}: the card's line on photos is left out")
    write_card(table)
    return 0 if passes(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
