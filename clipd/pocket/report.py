"""Examine the shipped weights and write the figures: `python -m clipd.pocket.report`."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from clipd.pocket import exam, photo_exam
from clipd.pocket.model import PocketEncoder, create
from clipd.pocket.photo_exam import PhotoFigures
from clipd.pocket.scenes import SCENES, Scene, random_scene
from clipd.pocket.weights import HERE, checkpoint

CARD = HERE / "CARD.md"
SCENES_ASKED = 1_000
QUESTIONS = 50
BARS = {
    "first_word": 0.90,
    "best_pictures": 0.90,
    "two_traits": 0.75,
    "neighbours": 0.90,
    "presence": 0.95,
}
PHOTO_BARS = {
    "first": 0.45,
    "first_five": 0.80,
    "first_ten": 0.88,
    "precision": 0.65,
    "first_hit": 0.79,
    "presence": 0.90,
}
# What the photographs show and WordNet has classes for: 38 of their 60 kinds of things.
THINGS = (
    *("airplane", "backpack", "bear", "bed", "bench", "bicycle", "bird", "boat", "bottle", "bowl"),
    *("broccoli", "bus", "car", "cat", "chair", "clock", "cup", "dining table", "dog", "elephant"),
    *("horse", "keyboard", "knife", "laptop", "microwave", "motorcycle", "mouse", "oven"),
    *("person", "pizza", "sandwich", "spoon", "tie", "toaster", "traffic light", "truck"),
    *("umbrella", "vase"),
)
# Things that a library may lack; those that one of its captions names are left out.
STRANGERS = (
    *("accordion", "ambulance", "banjo", "barn", "binoculars", "butterfly", "cactus", "camel"),
    *("candle", "cannon", "canoe", "castle", "cello", "church", "corn", "cowboy", "crab", "crane"),
    *(
        "crocodile",
        "dolphin",
        "drum",
        "fireworks",
        "flamingo",
        "fountain",
        "fox",
        "frog",
        "gorilla",
    ),
    *("greenhouse", "gun", "hamster", "harp", "hedgehog", "hippopotamus", "iceberg", "jellyfish"),
    *(
        "kangaroo",
        "ladybug",
        "leopard",
        "lighthouse",
        "lion",
        "lizard",
        "lobster",
        "monkey",
        "mosque",
    ),
    *(
        "mushroom",
        "octopus",
        "ostrich",
        "owl",
        "panda",
        "parachute",
        "penguin",
        "piano",
        "pineapple",
    ),
    *(
        "pyramid",
        "rabbit",
        "rhinoceros",
        "saxophone",
        "scorpion",
        "shark",
        "snail",
        "snake",
        "spider",
    ),
    *("squirrel", "strawberry", "submarine", "swan", "tank", "telescope", "tiger", "tractor"),
    *("trombone", "turtle", "typewriter", "violin", "volcano", "waterfall", "whale", "windmill"),
    *("wolf", "zebra"),
)

_START, _END = "<!-- figures -->", "<!-- end of figures -->"
_ROWS = {
    "first_word": f"painted scenes: of all {len(SCENES)} scene words, the right one ranks first",
    "best_pictures": "painted scenes: of the five best pictures for a word, right ones",
    "two_traits": 'painted scenes: of the five best for "a red car at night", both traits right',
    "neighbours": "painted scenes: nearest neighbour of a picture shows the same scene",
    "presence": "painted scenes: a word's best score tells whether it is there (AUC)",
}
_PHOTO_ROWS = {
    "first": "photographs: a caption's own photo comes first",
    "first_five": "photographs: is among the first five",
    "first_ten": "photographs: is among the first ten",
    "precision": "photographs: mean average precision of the names of 38 things",
    "first_hit": "photographs: the first hit for such a name shows the thing",
    "presence": "photographs: a name's best score tells whether it is there (AUC)",
}


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


def measure(encoder: PocketEncoder) -> exam.Figures:
    """Examine a model on pictures never taught, asked in sentences never taught."""
    scenes = [random_scene(seed) for seed in range(SCENES_ASKED)]
    questions = exam.set_questions(QUESTIONS)
    candidates = candidates_for(questions, SCENES_ASKED)
    vectors = exam.encode_pictures(encoder, take_pictures([*scenes, *candidates]))
    first, second = vectors[: len(scenes)], vectors[len(scenes) :]
    return exam.examine(encoder, scenes, first, candidates, second, questions)


def measure_photos(encoder: PocketEncoder, corpus: Path) -> PhotoFigures | None:
    """Ask for photographs by their captions; None where the photographs are not at hand."""
    photos = photo_exam.read_photos(corpus)
    if not photos:
        return None
    images = photo_exam.encode_photos(encoder, photos)
    return photo_exam.examine_photos(encoder, photos, images, THINGS, STRANGERS)


def as_table(figures: exam.Figures, photos: PhotoFigures | None) -> str:
    """Give the figures as the card shows them."""
    lines = ["| asked | figure | bar |", "|---|---|---|"]
    rows = [(text, getattr(figures, name), BARS[name]) for name, text in _ROWS.items()]
    if photos:
        rows += [
            (text, getattr(photos, name), PHOTO_BARS[name]) for name, text in _PHOTO_ROWS.items()
        ]
    lines += [f"| {text} | {figure:.3f} | {bar:.2f} |" for text, figure, bar in rows]
    missed = [text for text, figure, bar in rows if round(figure, 3) < bar]
    if missed:
        lines += ["", "Below the bar, and said so:", "", *(f"- {text}" for text in missed)]
    return "\n".join(lines)


def write_card(table: str, card: Path = CARD) -> None:
    """Put the figures into the card, between its marks."""
    text = card.read_text()
    head, tail = text[: text.index(_START) + len(_START)], text[text.index(_END) :]
    card.write_text(f"{head}\n{table}\n{tail}")


def passes(figures: exam.Figures, photos: PhotoFigures | None) -> bool:
    """Tell whether every figure reaches its bar."""
    painted = all(getattr(figures, name) >= bar for name, bar in BARS.items())
    return painted and (
        photos is None or all(getattr(photos, name) >= bar for name, bar in PHOTO_BARS.items())
    )


def main() -> int:
    """Measure, print, write the card; 1 when a figure misses its bar."""
    corpus = Path(os.environ.get("CLIPD_CORPUS", "../shared/corpus"))
    with tempfile.TemporaryDirectory() as folder:
        encoder = PocketEncoder(create(checkpoint(Path(folder))))
    figures, photos = measure(encoder), measure_photos(encoder, corpus)
    table = as_table(figures, photos)
    print(table)
    if photos is None:
        print(f"no photographs at {corpus}: the card's figures are left as they are")
    else:
        write_card(table)
    return 0 if passes(figures, photos) else 1


if __name__ == "__main__":
    sys.exit(main())
