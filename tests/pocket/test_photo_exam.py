import json
from pathlib import Path

import numpy as np
import pytest

from clipd.pocket.photo_exam import Photo, area_under_curve, examine_photos, read_photos


class Oracle:
    """An encoder of texts that gives what it was told to."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self._vectors = vectors

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        return np.array([self._vectors[text] for text in texts], np.float32)


PHOTOS = [Photo(Path("a"), ("a cat",), ("cat",)), Photo(Path("b"), ("a dog",), ("dog", "cat"))]
IMAGES = np.eye(2, dtype=np.float32)
WORDS = {"a cat": [1.0, 0.0], "a dog": [0.0, 1.0], "cat": [1, 0.5], "dog": [0, 1], "zebra": [0, 0]}


def test_a_model_that_knows_everything_gets_full_marks() -> None:
    figures = examine_photos(Oracle(WORDS), PHOTOS, IMAGES, ["cat", "dog"], ["zebra", "dog"])  # type: ignore[arg-type]
    assert (figures.first, figures.precision, figures.first_hit, figures.presence) == (1, 1, 1, 1)


def test_ties_count_as_guessing_would() -> None:
    blind = Oracle({word: [0.5, 0.5] for word in WORDS})
    figures = examine_photos(blind, PHOTOS, IMAGES, ["cat", "dog"], ["zebra"])  # type: ignore[arg-type]
    assert figures.first == 0
    assert figures.first_five == 1
    assert figures.presence == 0.5


@pytest.mark.parametrize(
    ("present", "absent", "area"),
    [([2, 3], [0, 1], 1.0), ([0, 1], [2, 3], 0.0), ([1, 1], [1, 1], 0.5), ([0, 2], [1], 0.5)],
)
def test_the_area_is_the_chance_of_a_right_order(
    present: list[float], absent: list[float], area: float
) -> None:
    assert area_under_curve(np.array(present, np.float32), np.array(absent, np.float32)) == area


def test_photographs_without_captions_are_left_out(tmp_path: Path) -> None:
    assert read_photos(tmp_path) == []
    lines = [{"path": "a.jpg", "captions": ["x"], "objects": ["y"]}, {"path": "b.jpg"}]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert read_photos(tmp_path) == [Photo(tmp_path / "a.jpg", ("x",), ("y",))]
