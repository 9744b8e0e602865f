"""Teaching in small: the loss falls, and open_clip loads what was written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clipd.pocket import weights
from clipd.pocket.scenes import random_scene
from clipd.pocket.teaching.wordnet import Nouns

if TYPE_CHECKING:
    from clipd.pocket.teaching.course import Course

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

WRITTEN = "beach, shore = seashore, sandbar .9\n"


@pytest.fixture(scope="module")
def course(nouns: Nouns) -> Course:
    from clipd.pocket.scene_codes import as_seen, encode_scenes
    from clipd.pocket.teaching import image_tower
    from clipd.pocket.teaching.course import Course
    from clipd.pocket.teaching.painted import Pool

    tower = image_tower.load()
    scenes = tuple(random_scene(seed) for seed in range(48))
    pixels = np.stack([as_seen(scene.draw((160, 120))) for scene in scenes])
    features = image_tower.features_of(tower, pixels)
    return Course(tower, nouns, Pool(scenes, encode_scenes(scenes), features), WRITTEN)


def test_the_compiled_tower_sees_what_torch_sees() -> None:
    import timm
    import torch

    from clipd.pocket.teaching import image_tower

    network: Any = timm.create_model(image_tower.NETWORK, pretrained=False).eval()
    shipped = torch.load(weights.tower_file(), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), shipped.values(), strict=True)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        theirs = network.forward_head(network.forward_features(batch), pre_logits=True).numpy()
    ours = image_tower.features_of(image_tower.load(), pixels)
    assert np.allclose(ours, theirs, atol=1e-3)


def test_the_last_block_is_spared_without_changing_a_vector(course: Course) -> None:
    import torch

    from clipd.pocket import model
    from clipd.pocket.teaching.text_reading import read_texts

    network = model.create()
    dice = np.random.default_rng(0)
    tokens = np.zeros((9, 32), np.int64)
    for row, length in zip(tokens, dice.integers(3, 32, len(tokens)), strict=True):
        row[:length] = [*dice.integers(1, 40_000, length - 1), 49_407]
    with torch.inference_mode():
        assert torch.allclose(
            read_texts(network, tokens), network.encode_text(torch.from_numpy(tokens)), atol=1e-4
        )


def test_a_short_course_lowers_the_loss_and_open_clip_loads_what_it_wrote(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clipd.pocket import model
    from clipd.pocket.teaching.course import UNSAID
    from clipd.pocket.teaching.teach import Plan, teach

    plan = Plan(seed=3, steps=12, sentences=24, captions=24)
    losses = teach(course, plan, tmp_path)
    told, shown = np.array(losses).T
    assert told[-4:].mean() < told[:4].mean()
    assert shown[-4:].mean() < shown[:4].mean()

    monkeypatch.setattr(weights, "PACKED", tmp_path / "weights.safetensors.gz")
    monkeypatch.setattr(weights, "LAYOUT", tmp_path / "image_tower.json")
    network = model.create(weights.checkpoint(tmp_path / "cache"))
    vectors = model.PocketEncoder(network).encode_images([random_scene(1).draw((120, 160))])
    assert vectors.shape == (1, 384)
    assert np.abs(vectors[:, -UNSAID:]).max() == 0
    words = (tmp_path / "vocabulary.txt").read_text().split("\n")
    assert {"beagle", "beach", "red"} <= set(words)


def test_a_text_says_as_much_besides_its_looks_whatever_its_words() -> None:
    import torch

    from clipd.pocket.teaching.course import PHOTO_DIM
    from clipd.pocket.teaching.teach import BESIDES, _unlikeness

    targets = torch.zeros(2, PHOTO_DIM + 1)
    targets[:, 0] = 1  # both look like the same thing
    painted = torch.tensor([True, False])
    right = torch.zeros(2, PHOTO_DIM + 3)
    right[:, 0] = 1
    right[0, PHOTO_DIM] = BESIDES  # said where painted scenes are
    right[1, -1] = BESIDES  # said where no picture is
    assert _unlikeness(right, targets, painted).item() == pytest.approx(0, abs=1e-5)
    silent = right.clone()
    silent[0, PHOTO_DIM] = 0
    assert _unlikeness(silent, targets, painted).item() > 0.1
    loud = right.clone()
    loud[1, PHOTO_DIM] = BESIDES
    assert _unlikeness(loud, targets, painted).item() > 0.1
