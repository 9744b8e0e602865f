from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from clipd.errors import EncodeError, ModelError
from clipd.photo import ModelSpec, Pixels
from tests.corpus.folder import FOREIGN, HAS_FOREIGN
from tests.encode.conftest import DIM, SIDE, save_model, small_weights

if TYPE_CHECKING:  # torch takes seconds to import, and the fast tests do not need it
    import torch

    from clipd.encode.engine import Engine

pytestmark = pytest.mark.slow

# What CLIP's tokenizer makes of texts, each between the marks for its start and end.
START, END = 49406, 49407
TOKENS = {
    "": [],
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "Sunset over snowy mountains, 2024!": [3424, 962, 14191, 5873, 267, 273, 271, 273, 275, 256],
    "  two   spaces\n": [1237, 9006],
    "&amp; &lt;b&gt;": [261, 283, 321, 285],
    "été à Zürich 🐕": [3459, 39694, 21259, 89, 6522, 4021, 41069],
    "写真": [44653, 33440, 509],
}


def token_references() -> dict[str, list[int]]:
    """Return texts and their token ids: our own, and those of a foreign corpus if there is one."""
    references = {text: [START, *ids, END] for text, ids in TOKENS.items()}
    if HAS_FOREIGN:
        lines = json.loads((FOREIGN / "clip-refs" / "token_vectors.json").read_text())["vectors"]
        references |= {line["text"]: line.get("open_clip_ids") or line["ids"] for line in lines}
    return references


def test_texts_become_the_token_ids_of_the_reference() -> None:
    import open_clip

    tokenize = open_clip.get_tokenizer("ViT-B-32")
    for text, expected in token_references().items():
        assert tokenize([text])[0].tolist()[: len(expected)] == expected, text


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
    from clipd.encode.engine import Engine, EngineOptions

    engine = Engine(spec, EngineOptions("cpu", "fp32", 3, cache))
    moments: list[int] = []

    sliced = engine.encode_images(pictures, lambda: moments.append(1))

    assert len(moments) >= 4
    alone = [engine.encode_images(picture[None], lambda: None)[0] for picture in pictures]
    np.testing.assert_allclose(sliced, np.stack(alone), atol=1e-5)
    assert (engine.device, engine.precision) == ("cpu", "fp32")


def test_a_precision_that_changes_what_vectors_mean_is_not_chosen(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine, EngineOptions

    weights = small_weights()
    # A large constant that the projection cancels: what is left drowns in bf16's rounding.
    weights["visual.ln_post.bias"][:] = 1e4
    weights["visual.proj"] -= weights["visual.proj"].mean(axis=0)
    fragile = replace(spec, checkpoint=str(save_model(tmp_path, weights)), fingerprint="fragile")

    best = Engine(fragile, EngineOptions("cpu", "auto", 32, tmp_path))
    rough = Engine(fragile, EngineOptions("cpu", "bf16", 32, tmp_path))

    assert best.precision == "fp32"
    fine, bad = (engine.encode_images(pictures, lambda: None) for engine in (best, rough))
    assert float((fine * bad).sum(axis=1).min()) < 0.999


def test_a_precision_is_measured_once_for_a_model_and_a_machine(
    spec: ModelSpec, tmp_path: Path
) -> None:
    from clipd.encode.engine import Engine, EngineOptions

    wish = EngineOptions("cpu", "auto", 32, tmp_path)
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
    from clipd.encode.engine import Engine, EngineOptions

    weights = small_weights()
    weights["visual.proj"][0, 0] = np.inf
    broken = replace(spec, checkpoint=str(save_model(tmp_path, weights)))
    engine = Engine(broken, EngineOptions("cpu", "fp32", 4, tmp_path))

    with pytest.raises(EncodeError, match=r"a picture is zero or not finite: .* may be damaged"):
        engine.encode_images(pictures, lambda: None)
    assert engine.encode_texts(["a cat"]).shape == (1, DIM)


def test_weights_that_went_away_are_said_to_be_gone(spec: ModelSpec, tmp_path: Path) -> None:
    from clipd.encode import openclip

    gone = replace(spec, checkpoint=str(tmp_path / "gone.safetensors"))

    with pytest.raises(ModelError, match=r"gone\.safetensors are gone: run `clipd model fetch`"):
        openclip.load(gone, "cpu")


def starve(engine: Engine, most: int) -> None:
    """Make more than so many pictures at a time ask the real allocator for more than there is."""

    import torch

    def allocate(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if len(inputs[0]) > most:
            torch.empty(1 << 60, dtype=torch.uint8)

    engine._model._module.visual.register_forward_pre_hook(allocate)  # type: ignore[union-attr]


def test_when_memory_runs_out_slices_are_halved_until_they_fit(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine, EngineOptions

    engine = Engine(spec, EngineOptions("cpu", "fp32", 32, cache))
    engine._seconds_each = 1e-6  # so fast that only memory bounds a slice
    expected = engine.encode_images(pictures, lambda: None)
    starve(engine, 2)
    slices: list[int] = []

    vectors = engine.encode_images(pictures, lambda: slices.append(1))

    assert len(slices) >= 5
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_no_memory_for_one_picture_is_said_and_texts_still_work(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine, EngineOptions

    engine = Engine(spec, EngineOptions("cpu", "fp32", 32, cache))
    starve(engine, 0)

    with pytest.raises(EncodeError, match="not enough memory to encode one picture"):
        engine.encode_images(pictures, lambda: None)
    assert engine.encode_texts(["a cat"]).shape == (1, DIM)
