from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from clipd.errors import EncodeError, ModelError
from clipd.photo import ModelSpec, Pixels
from tests.encode.conftest import DIM, SIDE, save_model, small_weights

if TYPE_CHECKING:  # torch takes seconds to import, and the fast tests do not need it
    import torch

pytestmark = pytest.mark.slow


def test_pixels_are_normalised_as_the_reference_to_the_last_bit(
    spec: ModelSpec, pictures: Pixels
) -> None:
    from open_clip.transform import image_transform

    from clipd.encode import openclip

    transform = image_transform(SIDE, is_train=False)  # the pictures have this side already
    expected = [transform(Image.fromarray(picture)).numpy() for picture in pictures]

    model = openclip.load(spec, "cpu")

    assert np.array_equal(model.normalised(pictures).numpy(), np.stack(expected))


def test_a_batch_is_encoded_in_slices_with_a_moment_for_queries_between(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    engine = Engine(spec, Wish("cpu", "fp32", 3, cache))
    moments: list[int] = []

    sliced = engine.encode_images(pictures, lambda: moments.append(1))

    assert len(moments) >= 4
    alone = [engine.encode_images(picture[None], lambda: None)[0] for picture in pictures]
    np.testing.assert_allclose(sliced, np.stack(alone), atol=1e-5)
    assert (engine.device, engine.precision) == ("cpu", "fp32")


def test_slices_are_short_for_a_while_after_somebody_has_asked(
    spec: ModelSpec, cache: Path, pictures: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clipd.encode import engine as engine_module
    from clipd.encode.wish import Wish

    monkeypatch.setattr(engine_module, "_SHORT_SECONDS", 0.0)  # the least that there can be
    monkeypatch.setattr(engine_module, "SLICE_SECONDS", 1000.0)  # and the most
    engine = engine_module.Engine(spec, Wish("cpu", "fp32", 32, cache))
    many = np.tile(pictures, (64 // len(pictures) + 1, 1, 1, 1))[:64]

    def moments() -> int:
        taken: list[int] = []
        engine.encode_images(many, lambda: taken.append(1))
        return len(taken)

    moments()  # learns how long one takes
    assert moments() == 2
    engine.encode_texts(["a dog"])
    assert moments() == 16
    monkeypatch.setattr(engine_module, "_SHORT_FOR_SECONDS", 0.0)
    assert moments() == 2


def test_a_precision_that_changes_what_vectors_mean_is_not_chosen(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    weights = small_weights()
    # A large constant that the projection cancels: what is left drowns in bf16's rounding.
    weights["visual.ln_post.bias"][:] = 1e4
    weights["visual.proj"] -= weights["visual.proj"].mean(axis=0)
    fragile = replace(spec, checkpoint=str(save_model(tmp_path, weights)), fingerprint="fragile")

    best = Engine(fragile, Wish("cpu", "auto", 32, tmp_path))
    rough = Engine(fragile, Wish("cpu", "bf16", 32, tmp_path))

    assert best.precision == "fp32"
    fine, bad = (engine.encode_images(pictures, lambda: None) for engine in (best, rough))
    assert float((fine * bad).sum(axis=1).min()) < 0.999


def test_a_precision_is_measured_once_for_a_model_and_a_machine(
    spec: ModelSpec, tmp_path: Path
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    wish = Wish("cpu", "auto", 32, tmp_path)
    first = Engine(spec, wish).precision
    (note,) = (tmp_path / "precision").iterdir()
    said = json.loads(note.read_text())
    assert said["precision"] == first

    other = "bf16" if first == "fp32" else "fp32"
    note.write_text(json.dumps({**said, "precision": other}))

    assert Engine(spec, wish).precision == other


def test_a_model_that_makes_no_usable_vector_at_all_is_said_to_be_damaged(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    weights = small_weights()
    weights["visual.proj"][0, 0] = np.inf
    broken = replace(spec, checkpoint=str(save_model(tmp_path, weights)))
    engine = Engine(broken, Wish("cpu", "fp32", 4, tmp_path))

    with pytest.raises(EncodeError, match=r"a picture is zero or not finite: .* may be damaged"):
        engine.encode_images(pictures, lambda: None)
    assert engine.encode_texts(["a cat"]).shape == (1, DIM)


def test_weights_that_went_away_are_said_to_be_gone(spec: ModelSpec, tmp_path: Path) -> None:
    from clipd.encode import openclip

    gone = replace(spec, checkpoint=str(tmp_path / "gone.safetensors"))

    with pytest.raises(ModelError, match=r"gone\.safetensors are gone: run `clipd model fetch`"):
        openclip.load(gone, "cpu")


class Memory:
    """Makes the real allocator fail for more than so many pictures at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []  # of the slices that fitted

    def look(self, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        import torch

        if not inputs or inputs[0].ndim != 4 or inputs[0].shape[1] != 3:
            return
        if len(inputs[0]) > self.most:
            torch.empty(1 << 60, dtype=torch.uint8)
        if isinstance(module, torch.nn.Conv2d):  # the first layer, once a slice
            self.sizes.append(len(inputs[0]))


@pytest.fixture
def memory() -> Iterator[Memory]:
    from torch.nn.modules.module import register_module_forward_pre_hook

    memory = Memory(most=1000)
    hook = register_module_forward_pre_hook(memory.look)
    yield memory
    hook.remove()


def test_when_memory_runs_out_slices_are_halved_until_they_fit(
    spec: ModelSpec, cache: Path, pictures: Pixels, memory: Memory
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    engine = Engine(spec, Wish("cpu", "fp32", 32, cache))
    expected = engine.encode_images(pictures, lambda: None)
    memory.most = 2
    slices: list[int] = []

    vectors = engine.encode_images(pictures, lambda: slices.append(1))

    assert len(slices) >= 5
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_slices_grow_again_when_memory_is_back(
    spec: ModelSpec, cache: Path, pictures: Pixels, memory: Memory
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    engine = Engine(spec, Wish("cpu", "fp32", 8, cache))
    memory.most = 1
    engine.encode_images(pictures, lambda: None)
    memory.most = 1000
    memory.sizes.clear()

    engine.encode_images(np.tile(pictures, (50, 1, 1, 1)), lambda: None)

    assert memory.sizes[0] == 1
    assert max(memory.sizes) > 1


def test_no_memory_for_one_picture_is_said_and_texts_still_work(
    spec: ModelSpec, cache: Path, pictures: Pixels, memory: Memory
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    engine = Engine(spec, Wish("cpu", "fp32", 32, cache))
    memory.most = 0

    with pytest.raises(EncodeError, match="not enough memory to encode one picture"):
        engine.encode_images(pictures, lambda: None)
    assert engine.encode_texts(["a cat"]).shape == (1, DIM)
