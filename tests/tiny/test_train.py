from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipd.tiny import weights
from clipd.tiny.scene_pool import SIDE, Pool, as_seen, encode_scenes
from clipd.tiny.scenes import draw, random_scene

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    import torch

    # Threads that wait for each other on a busy machine take ten times as long as one.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small_pool(size: int) -> Pool:
    scenes = tuple(random_scene(seed) for seed in range(size))
    pixels = np.stack([as_seen(scene.draw((96, 72))) for scene in scenes])
    return Pool(scenes, encode_scenes(scenes), pixels)


def test_training_sees_what_open_clip_makes_of_a_picture() -> None:
    import open_clip

    transform = open_clip.image_transform(SIDE, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
    for size in ((160, 120), (97, 131), (70, 70)):
        picture = draw("a red car", 3, size)
        theirs = transform(picture).permute(1, 2, 0).numpy() * 255
        assert np.abs(theirs - as_seen(picture)).max() < 1.01


def test_a_short_training_lowers_the_loss_and_open_clip_loads_what_it_wrote(
    tmp_path: Path,
) -> None:
    import torch

    from clipd.tiny import model, train

    packed = tmp_path / "weights.safetensors.gz"
    plan = train.Plan(seed=3, steps=8, batch=24)
    losses = train.train(small_pool(100), plan, packed)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    unpacked = tmp_path / "weights.safetensors"
    weights._unpack(packed, unpacked)
    network = model.create(unpacked)
    rows = network.token_embedding.weight.detach()
    assert rows.shape[0] == 49_408
    assert torch.isfinite(rows).all()
    assert model.TinyEncoder(network).encode_texts(["a cat"]).shape == (1, 128)
