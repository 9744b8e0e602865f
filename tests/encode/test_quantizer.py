from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd.photo import ModelSpec
from tests.encode.conftest import SIDE, save_model, small_weights

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("outlier", [1.0, 30.0])
def test_a_tower_in_int8_keeps_what_its_vectors_mean(
    spec: ModelSpec, tmp_path: Path, outlier: float
) -> None:
    from clipd.encode import converter, openclip
    from clipd.encode.openvino_model import Tower, compile_tower
    from clipd.encode.quantizer import quantized

    weights = small_weights()
    # A channel that is far larger than the others, as trained towers have some.
    for layer in range(2):
        weights[f"visual.transformer.resblocks.{layer}.ln_1.weight"][5] = outlier
    model = openclip.load(replace(spec, checkpoint=str(save_model(tmp_path, weights))), "cpu")
    tower = converter._converted(model, "image", spec.preprocess)
    noise = np.random.default_rng(5)
    pictures = noise.integers(0, 256, (32, 1, 1, 3)) + noise.normal(0, 30, (32, SIDE, SIDE, 3))
    pixels = pictures.clip(0, 255).astype(np.uint8)

    rough = Tower(compile_tower(quantized(tower, pixels[::2]), "int8", 2))(pixels)

    exact = Tower(compile_tower(tower, "fp32", 2))(pixels)
    cosines = (rough * exact).sum(axis=1)
    assert float(np.percentile(cosines, 5)) > 0.99
    assert not np.allclose(rough, exact, atol=1e-6)  # it does compute in int8
