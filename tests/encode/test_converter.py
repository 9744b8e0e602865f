"""A model is converted in the fastest precision in which its vectors keep their meaning."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd.encode.model_json import as_json
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec
from clipd.process.child import Child
from tests.encode.conftest import SIDE, save_model, small_weights

pytestmark = pytest.mark.slow


def converted(
    spec: ModelSpec, precision: str, folder: Path, base: str = "", sample: bytes = b""
) -> JsonObject:
    """Have a sealed child convert a model; return what it answered."""
    home = folder / ("refined" if base else "home")
    home.mkdir()
    with Child("clipd.encode.convert_worker") as child:
        order: JsonObject = {"spec": as_json(spec), "cache": str(folder), "folder": str(home)}
        order |= {"precision": precision, "threads": 2, "base": base}
        child.lanes[0].send(order, sample)
        answer = child.lanes[0].receive(0)
    assert answer is not None
    return answer.header


def fragile_model(spec: ModelSpec, folder: Path) -> ModelSpec:
    """Return a model of which only fp32 makes usable vectors."""
    weights = small_weights()
    # A large constant that the projection cancels: what is left drowns in bf16's rounding.
    weights["visual.ln_post.bias"][:] = 1e4
    weights["visual.proj"] -= weights["visual.proj"].mean(axis=0)
    return replace(spec, checkpoint=str(save_model(folder / "model", weights)))


def test_a_precision_that_changes_what_vectors_mean_is_not_chosen(
    spec: ModelSpec, tmp_path: Path
) -> None:
    fragile = fragile_model(spec, tmp_path)

    assert converted(fragile, "auto", tmp_path) == {"ok": True}

    said = json.loads((tmp_path / "home" / "compiled.json").read_text())
    assert said["precision"] == "fp32"
    if "bf16" in said["measured"]:  # a processor that computes in it
        assert said["measured"]["bf16"]["cosine"] < 0.999


def test_a_precision_that_the_processor_does_not_have_is_left_to_torch(
    spec: ModelSpec, tmp_path: Path
) -> None:
    from clipd.encode.openvino_model import precisions

    if "fp16" in precisions():
        pytest.skip("this processor computes in fp16")

    assert converted(spec, "fp16", tmp_path) == {
        "error": "OpenVINO does not compute in fp16 on this processor"
    }


@pytest.mark.parametrize("wanted", ["auto", "int8"])
def test_int8_that_finds_other_pictures_is_refused_unless_it_was_asked_for(
    wanted: str, spec: ModelSpec, tmp_path: Path
) -> None:
    fragile = fragile_model(spec, tmp_path)
    converted(fragile, "auto", tmp_path)
    base, refined = tmp_path / "home", tmp_path / "refined"
    sample = np.random.default_rng(4).integers(0, 256, (64, SIDE, SIDE, 3), np.uint8)

    answer = converted(fragile, wanted, tmp_path, str(base), sample.tobytes())

    assert answer == {"ok": True}
    notes = {file.name: json.loads(file.read_text()) for file in refined.glob("*.json")}
    assert set(notes) == {"refused.json" if wanted == "auto" else "compiled.json"}
    (note,) = notes.values()
    assert note.get("measured", note)["int8"]["cosine"] < 0.99
