from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd.encode.description import as_json
from clipd.errors import EncodeError, ModelError
from clipd.photo import ModelSpec, Pixels, Preprocess
from tests.encode.conftest import DIM, save_model, small_weights

pytestmark = pytest.mark.slow

CORPUS = Path(os.environ.get("CLIPD_CORPUS", "../shared/corpus")) / "clip-refs"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")


@needs_corpus
def test_texts_become_the_token_ids_of_the_reference() -> None:
    import open_clip

    references = json.loads((CORPUS / "token_vectors.json").read_text())["vectors"]
    tokenize = open_clip.get_tokenizer("ViT-B-32")
    for reference in references:
        expected = reference.get("open_clip_ids") or reference["ids"]
        ids = tokenize([reference["text"]])[0].tolist()
        assert ids[: len(expected)] == expected, reference["text"]


@needs_corpus
def test_pixels_are_normalised_as_the_reference_to_the_last_bit(spec: ModelSpec) -> None:
    from clipd.encode import openclip

    expected = np.load(CORPUS / "expected_preprocessed_image.npy")
    mean, std = (
        np.array(values, np.float32).reshape(1, 3, 1, 1)
        for values in (Preprocess(1).mean, Preprocess(1).std)
    )
    pixels = np.rint((expected * std + mean) * 255).astype(np.uint8).transpose(0, 2, 3, 1)

    model = openclip.load(spec, "cpu")

    assert np.array_equal(model.normalised(np.ascontiguousarray(pixels)).numpy(), expected)


def test_a_batch_is_encoded_in_slices_with_a_moment_for_queries_between(
    spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine, Wish

    engine = Engine(spec, Wish("cpu", "fp32", 3, cache))
    moments: list[int] = []

    sliced = engine.encode_images(pictures, lambda: moments.append(1))

    assert len(moments) >= 4
    alone = [engine.encode_images(picture[None], lambda: None)[0] for picture in pictures]
    np.testing.assert_allclose(sliced, np.stack(alone), atol=1e-5)
    assert (engine.device, engine.precision) == ("cpu", "fp32")


def test_a_precision_that_changes_what_vectors_mean_is_not_chosen(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine, Wish

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
    from clipd.encode.engine import Engine, Wish

    wish = Wish("cpu", "auto", 32, tmp_path)
    first = Engine(spec, wish).precision
    (note,) = (tmp_path / "precision").iterdir()
    said = json.loads(note.read_text())
    assert said["precision"] == first

    other = "bf16" if first == "fp32" else "fp32"
    note.write_text(json.dumps({**said, "precision": other}))

    assert Engine(spec, wish).precision == other


def test_vectors_that_are_not_finite_never_leave(
    spec: ModelSpec, tmp_path: Path, pictures: Pixels
) -> None:
    from clipd.encode.engine import Engine, Wish

    weights = small_weights()
    weights["visual.proj"][0, 0] = np.inf
    broken = replace(spec, checkpoint=str(save_model(tmp_path, weights)))
    engine = Engine(broken, Wish("cpu", "fp32", 4, tmp_path))

    with pytest.raises(EncodeError, match="4 of 4 vectors that are zero or not finite"):
        engine.encode_images(pictures, lambda: None)
    assert engine.encode_texts(["a cat"]).shape == (1, DIM)


def test_weights_that_went_away_are_said_to_be_gone(spec: ModelSpec, tmp_path: Path) -> None:
    from clipd.encode import openclip

    gone = replace(spec, checkpoint=str(tmp_path / "gone.safetensors"))

    with pytest.raises(ModelError, match=r"gone\.safetensors are gone: run `clipd model fetch`"):
        openclip.load(gone, "cpu")


_STARVE = """
import json, resource, sys
from pathlib import Path
import numpy as np
from clipd.encode.description import from_json
from clipd.encode.engine import Engine, Wish

engine = Engine(from_json(json.loads(sys.argv[1])), Wish("cpu", "fp32", 4096, Path(sys.argv[2])))
pixels = np.random.default_rng(5).integers(0, 256, (300, 64, 64, 3), np.uint8)
engine._seconds_each = 1e-5  # so fast that only memory bounds a slice
tens = np.split(pixels, 30)
expected = np.concatenate([engine.encode_images(ten, lambda: None) for ten in tens])
engine._seconds_each = 1e-5
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
slices = []
vectors = engine.encode_images(pixels, lambda: slices.append(1))
assert len(slices) > 3, slices
assert np.allclose(vectors, expected, atol=1e-5)
print("whole")
"""


def test_when_memory_runs_out_slices_get_smaller_until_they_fit(
    spec: ModelSpec, cache: Path
) -> None:
    arguments = [json.dumps(as_json(spec)), str(cache), str(6 << 20)]

    done = subprocess.run(
        [sys.executable, "-c", _STARVE, *arguments], capture_output=True, text=True, check=False
    )

    assert done.stdout == "whole\n", done.stderr
    assert "memory ran out" in done.stderr
