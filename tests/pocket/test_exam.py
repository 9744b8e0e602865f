"""The embedded model on a smaller draw than the report's, of seeds used nowhere else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from clipd.pocket import exam
from clipd.pocket.captions import parse
from clipd.pocket.scenes import SCENES, Scene, draw, random_scene
from clipd.pocket.weights import checkpoint

if TYPE_CHECKING:  # imported by the fixtures, so that collecting the tests loads no torch
    from clipd.pocket.model import Network, PocketEncoder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SIZE = (320, 240)
FIRST_SEED = 500_000  # neither training nor the report draws from here


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    from clipd.pocket.model import create

    return create(checkpoint(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def encoder(network: Network) -> PocketEncoder:
    from clipd.pocket.model import PocketEncoder

    return PocketEncoder(network)


class Paper:
    """Scenes, candidates and questions, drawn once for every model that is examined."""

    def __init__(self) -> None:
        words = [word for word in SCENES for _ in range(6)]
        self.scenes = [random_scene(FIRST_SEED + i, word) for i, word in enumerate(words)]
        self.questions = exam.set_questions(12)
        self.candidates: list[Scene] = []
        for i, question in enumerate(self.questions):
            seed = FIRST_SEED + 10_000 + 10 * i
            self.candidates += exam.answer_scenes(question, right=6, wrong=4, first_seed=seed)
        self.pictures = [scene.draw(SIZE) for scene in (*self.scenes, *self.candidates)]

    def mark(self, encoder: PocketEncoder) -> exam.Figures:
        vectors = exam.encode_pictures(encoder, self.pictures)
        first, second = vectors[: len(self.scenes)], vectors[len(self.scenes) :]
        return exam.examine(encoder, self.scenes, first, self.candidates, second, self.questions)


@pytest.fixture(scope="module")
def paper() -> Paper:
    return Paper()


@pytest.fixture
def shuffled(network: Network) -> Iterator[PocketEncoder]:
    import torch

    from clipd.pocket.model import PocketEncoder

    kept = {name: value.clone() for name, value in network.state_dict().items()}
    dice = torch.Generator().manual_seed(0)
    for value in network.state_dict().values():
        if value.is_floating_point():
            order = torch.randperm(value.numel(), generator=dice)
            value.copy_(value.flatten()[order].view_as(value))
    yield PocketEncoder(network)
    network.load_state_dict(kept)


def test_the_figures_hold_on_a_smaller_draw(encoder: PocketEncoder, paper: Paper) -> None:
    figures = paper.mark(encoder)
    assert figures.first_word >= 0.78
    assert figures.best_pictures >= 0.75
    assert figures.two_traits >= 0.5
    assert figures.neighbours >= 0.85
    assert figures.presence >= 0.9


def test_the_figures_collapse_when_the_weights_are_shuffled(
    shuffled: PocketEncoder, paper: Paper
) -> None:
    figures = paper.mark(shuffled)
    assert figures.first_word < 0.06
    assert figures.best_pictures < 0.08
    assert figures.two_traits < 0.2
    # Even a random network sees colours, and colours tell some scenes apart.
    assert figures.neighbours < 0.45


def test_every_question_has_five_right_answers_to_find(paper: Paper) -> None:
    for question in paper.questions:
        assert len(question.traits.stated()) == 2
        right = [
            scene
            for scene in paper.candidates
            if scene.word == question.word and question.traits.fit(scene.traits)
        ]
        assert len(right) >= 5


def saved_as_jpeg(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return Image.open(buffer).convert("RGB")


def test_bare_words_and_near_synonyms_find_a_picture_of_theirs_first(
    encoder: PocketEncoder,
) -> None:
    shown = ["sunset", "beach", "a red car", "a blue car", "a red car at night", "a cat"]
    shown += ["snowy mountains", "sailing boat", "night sky", "forest", "a dog", "a black cat"]
    asked = ["sunset", "beach", "red car", "blue car", "a red car at night", "a cat"]
    asked += ["snowy mountains", "mountains with snow", "sailboat", "the moon", "black kitten"]
    pictures = [saved_as_jpeg(draw(words, seed=21)) for words in shown]
    scores = encoder.encode_texts(asked) @ encoder.encode_images(pictures).T
    for query, column in zip(asked, scores.argmax(axis=1), strict=True):
        word, traits = parse(query)
        found_word, found_traits = parse(shown[column])
        assert found_word == word, query
        assert traits.fit(found_traits), query


def test_words_it_never_learned_do_not_drown_one_that_it_knows(
    network: Network, encoder: PocketEncoder
) -> None:
    rows = network.token_embedding.weight.detach()
    learned = int((rows != 0).any(dim=1).sum())
    assert 5_000 < learned < 9_000
    wrapped, *words = encoder.encode_texts(["quixotic zygote sunset paradigm", *SCENES])
    assert SCENES[int(np.argmax(np.array(words) @ wrapped))] == "sunset"


def test_vectors_are_finite_unit_rows(encoder: PocketEncoder) -> None:
    vectors = exam.encode_pictures(encoder, [draw("cat", 1, SIZE), draw("lake", 2, SIZE)])
    texts = encoder.encode_texts(["", "кот", "a cat " * 80])
    for rows in (vectors, texts):
        assert rows.dtype == np.float32
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
