from random import Random

import numpy as np
import pytest

from clipd.pocket.teaching.prototypes import Look
from clipd.pocket.teaching.sentences import SentenceWriter

LOOKS = {
    "dog": Look(np.zeros(0, np.float32), 1.0),
    "hot dog": Look(np.zeros(0, np.float32), 1.0),
    "ruff": Look(np.zeros(0, np.float32), 0.5),
}
DIRECTIONS = dict(zip(LOOKS, np.eye(3, dtype=np.float32), strict=True))


@pytest.fixture
def writer() -> SentenceWriter:
    return SentenceWriter(LOOKS, DIRECTIONS, strangers=["quorum"])


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a photo of dogs", [1, 0, 0, 0]),
        ("a hot dog", [0, 1, 0, 0]),
        ("a dog with a hot dog", [0.5**0.5, 0.5**0.5, 0, 0]),
        ("ruff", [0, 0, 0.5, 0.75**0.5]),
        ("quorum", [0, 0, 0, 1]),
        ("a dog and a quorum", [1, 0, 0, 0]),
    ],
)
def test_a_sentence_should_look_like_the_sum_of_its_words(
    writer: SentenceWriter, text: str, target: list[float]
) -> None:
    assert np.allclose(writer.target(text), target, atol=1e-6)


def test_sentences_are_the_same_from_the_same_dice_and_say_something(
    writer: SentenceWriter,
) -> None:
    once = [writer.write(Random(5), ["dog"]) for _ in range(3)]
    assert once == [writer.write(Random(5), ["dog"]) for _ in range(3)]
    rng = Random(1)
    assert all(writer.target(writer.write(rng, ["dog"]))[-1] < 1 for _ in range(200))


def test_a_phrase_stays_whole_in_whatever_is_said_around_it(writer: SentenceWriter) -> None:
    rng = Random(2)
    said = {writer.surround(rng, "two red cars") for _ in range(100)}
    assert all("two red cars" in sentence for sentence in said)
    assert len(said) > 50
    assert any("quorum" in sentence for sentence in said)
