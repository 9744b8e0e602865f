from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipd.config import EncoderConfig, ModelConfig
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.photo import ModelSpec, Pixels

SIDE = 64
SMALL = {
    "embed_dim": 48,
    "vision_cfg": {
        "image_size": SIDE,
        "layers": 2,
        "width": 64,
        "head_width": 32,
        "patch_size": 16,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}

_MAKE = """
import sys, torch, open_clip
from safetensors.torch import save_file
open_clip.add_model_config(sys.argv[1])
torch.manual_seed(1)
model = open_clip.create_model("small")
with torch.no_grad():
    model.visual.proj.mul_(20)
save_file(model.state_dict(), sys.argv[2])
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    """A random-weight CLIP of a small architecture, its config beside its weights."""
    folder = tmp_path_factory.mktemp("small")
    config, weights = folder / "small.json", folder / "small.safetensors"
    config.write_text(json.dumps(SMALL))
    subprocess.run([sys.executable, "-c", _MAKE, str(config), str(weights)], check=True)
    return ModelConfig(name="mine", checkpoint=weights)


@pytest.fixture(scope="session")
def spec(small: ModelConfig, cache: Path) -> ModelSpec:
    return resolve(small, cache / "models", cache)


@pytest.fixture
def encoder(spec: ModelSpec, cache: Path) -> Iterator[Encoder]:
    with Encoder(spec, EncoderConfig(device="cpu"), cache) as encoder:
        yield encoder


@pytest.fixture
def pictures() -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (10, SIDE, SIDE, 3), np.uint8)
