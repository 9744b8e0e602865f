from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clipd.decode.resize import scaled_size, to_square
from clipd.decode.settings import Target
from clipd.photo import Preprocess
from clipd.pocket.scenes import draw
from tests.corpus.folder import CORPORA, FOREIGN
from tests.decode.conftest import two_colours


def normalised(photo: Image.Image) -> NDArray[np.float32]:
    """Prepare a photo as clipd does: its square, then what the encoder makes of it."""
    square = np.asarray(to_square(photo.convert("RGB"), Target(224)))
    # torchvision's ToTensor and Normalize, in float32 as it computes them.
    wants = Preprocess(224)
    mean, std = (np.array(values, np.float32) for values in (wants.mean, wants.std))
    return ((square.astype(np.float32) / np.float32(255) - mean) / std).transpose(2, 0, 1)


def photo_and_reference(source: str) -> tuple[Image.Image, NDArray[np.float32]]:
    """Return a photo, and what CLIP's own preprocessing makes of it."""
    if source == "foreign":
        folder = FOREIGN / "clip-refs"
        with Image.open(folder / "franz-kafka.jpg") as photo:
            return photo.convert("RGB"), np.load(folder / "expected_preprocessed_image.npy")[0]
    transform = pytest.importorskip("open_clip.transform")
    painted = draw("snowy mountains", 1)
    return painted, transform.image_transform(224, is_train=False)(painted).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("source", CORPORA)
def test_the_square_equals_clips_own_preprocessing_to_the_last_bit(source: str) -> None:
    photo, expected = photo_and_reference(source)

    assert np.array_equal(normalised(photo), expected)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(640, 480), (481, 641), (30, 100), (224, 224), (1999, 225)])
def test_every_way_to_resize_equals_open_clips_transform(mode: str, size: tuple[int, int]) -> None:
    transform = pytest.importorskip("open_clip.transform")
    photo = two_colours(*size).resize(size)
    target = Target(224, resize=mode, fill=7)  # type: ignore[arg-type]

    theirs = transform.image_transform(224, is_train=False, resize_mode=mode, fill_color=7)
    expected = photo
    for step in theirs.transforms[: 1 if mode == "squash" else 2]:
        expected = step(expected)

    assert np.array_equal(np.asarray(to_square(photo, target)), np.asarray(expected))


@pytest.mark.parametrize(
    ("size", "resize", "expected"),
    [
        ((640, 480), "shortest", (298, 224)),
        ((480, 640), "shortest", (224, 298)),
        ((640, 480), "squash", (224, 224)),
        ((640, 480), "longest", (224, 168)),
        ((60000, 1), "longest", (224, 1)),
    ],
)
def test_sizes_are_those_of_torchvision(
    size: tuple[int, int], resize: str, expected: tuple[int, int]
) -> None:
    assert scaled_size(size, Target(224, resize=resize)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000), (9000, 30)])
def test_a_strip_becomes_a_square_of_its_middle_without_being_blown_up(
    size: tuple[int, int],
) -> None:
    width, height = size
    along, across = max(size), min(size)
    middle = ((along - 5 * across) // 2, 0, (along + 5 * across) // 2, across)
    strip = Image.new("RGB", (along, across), (255, 0, 0))
    strip.paste((0, 0, 255), middle)
    if height > width:
        strip = strip.transpose(Image.Transpose.ROTATE_90)

    square = np.asarray(to_square(strip, Target(32)))

    assert square.shape == (32, 32, 3)
    assert (square == (0, 0, 255)).all()
