from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from clipd.config.options import ModelConfig
from clipd.encode.models import resolve
from clipd.photo import ModelSpec, Pixels

SIDE, DIM, WIDTH, LAYERS, PATCH, WORDS, CONTEXT = 64, 48, 64, 2, 16, 49408, 77
SMALL = {
    "embed_dim": DIM,
    "vision_cfg": {
        "image_size": SIDE,
        "layers": LAYERS,
        "width": WIDTH,
        "head_width": 32,
        "patch_size": PATCH,
    },
    "text_cfg": {
        "context_length": CONTEXT,
        "vocab_size": WORDS,
        "width": WIDTH,
        "heads": 2,
        "layers": LAYERS,
    },
}
Weights = dict[str, NDArray[np.float32]]


def small_weights(seed: int = 1) -> Weights:
    """Random weights of a CLIP that is small, but of the real architecture."""
    random = np.random.default_rng(seed)

    def some(*shape: int) -> NDArray[np.float32]:
        return random.standard_normal(shape, np.float32) * np.float32(shape[-1] ** -0.5)

    def norm(name: str) -> Weights:
        return {f"{name}.weight": np.ones(WIDTH, np.float32), f"{name}.bias": some(WIDTH)}

    def tower(name: str) -> Weights:
        weights: Weights = {}
        for block in (f"{name}.resblocks.{layer}" for layer in range(LAYERS)):
            weights |= norm(f"{block}.ln_1") | norm(f"{block}.ln_2")
            weights[f"{block}.attn.in_proj_weight"] = some(3 * WIDTH, WIDTH)
            weights[f"{block}.attn.in_proj_bias"] = some(3 * WIDTH)
            for part, rows, columns in (
                ("attn.out_proj", WIDTH, WIDTH),
                ("mlp.c_fc", 4 * WIDTH, WIDTH),
                ("mlp.c_proj", WIDTH, 4 * WIDTH),
            ):
                weights[f"{block}.{part}.weight"] = some(rows, columns)
                weights[f"{block}.{part}.bias"] = some(rows)
        return weights

    return {
        "visual.class_embedding": some(WIDTH),
        "visual.positional_embedding": some((SIDE // PATCH) ** 2 + 1, WIDTH),
        "visual.conv1.weight": some(WIDTH, 3, PATCH, PATCH),
        "visual.proj": some(WIDTH, DIM),
        "positional_embedding": some(CONTEXT, WIDTH),
        "token_embedding.weight": some(WORDS, WIDTH),
        "text_projection": some(WIDTH, DIM),
        "logit_scale": np.full((), 2.66, np.float32),
        **norm("visual.ln_pre"),
        **norm("visual.ln_post"),
        **norm("ln_final"),
        **tower("visual.transformer"),
        **tower("transformer"),
    }


def save_model(folder: Path, weights: Weights) -> Path:
    """Write weights with their architecture beside them; return the checkpoint."""
    folder.mkdir(exist_ok=True)
    (folder / "small.json").write_text(json.dumps(SMALL))
    save_file(weights, folder / "small.safetensors")
    return folder / "small.safetensors"


@dataclass(frozen=True, slots=True)
class Faults:
    """Makes the real encoders that start from now on fail over some pictures.

    Those that compute with torch, which lets itself be watched (``encoder.runtime``).
    Claims are Python, of ``pictures``: a normalised tensor of shape (n, 3, side, side).
    """

    folder: Path

    def kill_over(self, claim: str) -> None:
        """Have the encoder killed, as the kernel does, when it is fed what the claim says."""
        self._install(f"if bool({claim}): be_killed()")

    def blind_to(self, claim: str) -> None:
        """Have the vectors be not finite of those pictures of which the claim is true."""
        self._install(f"vectors[{claim}] = float('nan')")

    def break_gpu_over(self, claim: str) -> None:
        """Have CUDA fail for good when the encoder is fed what the claim says, while on a GPU.

        A kernel reads past its input, which ends every later call with the same error.
        """
        past = "import torch; torch.zeros(1).cuda()[torch.tensor([99]).cuda()].cpu()"
        self._install(f"if pictures.is_cuda and bool({claim}): {past}")

    def _install(self, line: str) -> None:
        # Python runs a sitecustomize at its start; this one watches what any model is fed.
        (self.folder / "sitecustomize.py").write_text(
            f"""
import resource, sys

def be_killed():
    # A sealed process cannot signal itself; the kernel kills one that is over its hard limit.
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass

if any("encode_worker" in word for word in sys.orig_argv):
    from torch.nn.modules.module import register_module_forward_hook

    def look(module, inputs, vectors):
        pictures = inputs[0] if inputs else None
        is_tower = getattr(pictures, "ndim", 0) == 4 and getattr(vectors, "ndim", 0) == 2
        if is_tower:
            {line}

    register_module_forward_hook(look)
"""
        )


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    return Faults(folder)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    folder = tmp_path_factory.mktemp("small")
    return ModelConfig(name="mine", checkpoint=save_model(folder, small_weights()))


@pytest.fixture(scope="session")
def spec(small: ModelConfig, cache: Path) -> ModelSpec:
    return resolve(small, cache / "models", cache)


@pytest.fixture(scope="session")
def pictures() -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (10, SIDE, SIDE, 3), np.uint8)
