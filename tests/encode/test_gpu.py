"""A GPU makes the vectors that a CPU makes, sealed, short of memory, and until it breaks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode.gpu import has_gpu_driver
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.photo import ModelSpec, Pixels
from clipd.pocket.scenes import draw
from tests.encode.conftest import Faults

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

TEXTS = ["a photo of a dog", "sunset over the sea", "Zürich, été", ""]
NAMES = ("ViT-B-32", "pocket")
SCENES = ("sunset", "forest", "beach", "night sky")


@pytest.fixture(scope="session", autouse=True)
def card() -> None:
    """Skip where torch has no GPU; what CUDA opens in this process stays open for all tests."""
    if not has_gpu_driver():
        pytest.skip("this machine has no driver of a GPU")
    from clipd.encode.torch_runtime import choose_device

    device, reason = choose_device("cuda")
    if device != "cuda":
        pytest.skip(reason)


@pytest.fixture(scope="session")
def specs(
    card: None, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ModelSpec]:
    """The architecture that most people use, with random weights, and the model in the box."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    weights = tmp_path_factory.mktemp("weights") / "random.safetensors"
    tensors = open_clip.create_model("ViT-B-32").state_dict()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(weights))
    configs = (ModelConfig(name="ViT-B-32", checkpoint=weights), ModelConfig(name="pocket"))
    return {config.name: resolve(config, cache / "models", cache) for config in configs}


def pictures_for(spec: ModelSpec, count: int) -> Pixels:
    side = (spec.preprocess.side, spec.preprocess.side)
    painted = (draw(SCENES[number % len(SCENES)], number).resize(side) for number in range(count))
    return np.stack([np.asarray(picture.convert("RGB")) for picture in painted])


@contextmanager
def only_free(size_bytes: int) -> Iterator[None]:
    """Fill the card but for so much."""
    import torch

    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    ballast = torch.empty(max(0, free - size_bytes), dtype=torch.uint8, device="cuda")
    try:
        yield
    finally:
        del ballast
        torch.cuda.empty_cache()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 0.9999), ("fp16", 0.999), ("bf16", 0.99), ("auto", 0.999)]
)
def test_a_gpu_makes_the_vectors_of_fp32_on_the_cpu(
    specs: dict[str, ModelSpec], name: str, precision: str, least: float, tmp_path: Path
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    spec = specs[name]
    pictures = pictures_for(spec, 100)
    made = []
    for device, wanted in (("cpu", "fp32"), ("cuda", precision)):
        engine = Engine(spec, Wish(device, wanted, 100, tmp_path))
        assert (engine.device, engine.reason) == (device, "")
        vectors = (engine.encode_images(pictures, lambda: None), engine.encode_texts(TEXTS))
        made.append(np.concatenate(vectors))

    cosines = (made[0] * made[1]).sum(axis=1)
    assert float(cosines.min()) >= least, (engine.precision, cosines)


def test_tensor_cores_are_used_since_they_keep_the_meaning(
    specs: dict[str, ModelSpec], tmp_path: Path
) -> None:
    import torch

    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    if torch.cuda.get_device_capability() < (7, 0):
        pytest.skip("this GPU has no tensor cores")

    engine = Engine(specs["ViT-B-32"], Wish("cuda", "auto", 32, tmp_path))

    assert engine.precision in ("bf16", "fp16")


@pytest.mark.parametrize("name", NAMES)
def test_a_sealed_encoder_computes_on_the_gpu(
    specs: dict[str, ModelSpec], name: str, tmp_path: Path
) -> None:
    spec = specs[name]
    pictures = pictures_for(spec, 80)
    on_cpu = EncoderConfig(device="cpu", precision="fp32", runtime="torch")
    with Encoder(spec, on_cpu, tmp_path) as one:
        exact = one.encode_images(pictures)

    with Encoder(spec, EncoderConfig(batch=80), tmp_path) as encoder:
        vectors = encoder.encode_images(pictures)
        encoder.encode_texts(TEXTS)
        status = encoder.status()

    assert (status.device, status.reason, status.error) == ("cuda", "", "")
    assert status.seals is not None
    assert (status.seals.landlock, status.seals.seccomp) == (True, True)
    assert float((vectors * exact).sum(axis=1).min()) >= 0.999


def test_on_a_card_that_others_fill_slices_are_halved_and_nothing_is_lost(
    specs: dict[str, ModelSpec], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    spec = specs["ViT-B-32"]
    pictures = pictures_for(spec, 64)
    engine = Engine(spec, Wish("cuda", "fp32", 64, tmp_path))
    engine.encode_images(pictures[:4], lambda: None)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    expected = engine.encode_images(np.tile(pictures, (8, 1, 1, 1)), lambda: None)[:64]
    needed = torch.cuda.max_memory_allocated() - before

    with only_free(needed // 2), caplog.at_level(logging.WARNING):
        vectors = engine.encode_images(np.tile(pictures, (8, 1, 1, 1)), lambda: None)[:64]

    assert "memory ran out; now 32 at a time" in caplog.text
    assert (engine.device, engine.reason) == ("cuda", "")
    np.testing.assert_allclose(vectors, expected, atol=1e-3)


def test_slices_are_no_larger_than_what_is_free_of_the_card(
    specs: dict[str, ModelSpec], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from clipd.encode.engine import Engine
    from clipd.encode.wish import Wish

    spec = specs["ViT-B-32"]
    pictures = np.tile(pictures_for(spec, 64), (32, 1, 1, 1))
    with only_free(2 << 30), caplog.at_level(logging.WARNING):
        engine = Engine(spec, Wish("cuda", "fp16", len(pictures), tmp_path))
        vectors = engine.encode_images(pictures, lambda: None)

    assert np.isfinite(vectors).all()
    assert (engine.device, caplog.text) == ("cuda", "")


def test_a_sealed_encoder_goes_on_when_somebody_fills_the_card(
    specs: dict[str, ModelSpec], tmp_path: Path
) -> None:
    spec = specs["ViT-B-32"]
    pictures = np.tile(pictures_for(spec, 64), (16, 1, 1, 1))
    with Encoder(spec, EncoderConfig(batch=1024, precision="fp16"), tmp_path) as encoder:
        expected = encoder.encode_images(pictures[:4])
        with only_free(100 << 20):
            vectors = encoder.encode_images(pictures)
            status = encoder.status()

    assert (status.device, status.error) == ("cuda", "")
    np.testing.assert_allclose(vectors[:4], expected, atol=1e-3)


def test_when_the_gpu_breaks_the_cpu_takes_over_and_the_status_says_so(
    specs: dict[str, ModelSpec], tmp_path: Path, faults: Faults
) -> None:
    spec = specs["ViT-B-32"]
    pictures = pictures_for(spec, 12)
    config = EncoderConfig(precision="fp32")
    with Encoder(spec, config, tmp_path) as encoder:
        expected = encoder.encode_images(pictures)
        assert encoder.status().device == "cuda"
    faults.break_gpu_over("len(pictures) > 4")

    with Encoder(spec, config, tmp_path) as encoder:
        vectors = encoder.encode_images(np.tile(pictures, (3, 1, 1, 1)))
        status = encoder.status()

    assert (status.device, status.error) == ("cpu", "")
    assert status.reason.startswith("the GPU failed: CUDA error")
    assert status.reason.endswith("; so torch on the CPU is used")
    assert float((vectors[:12] * expected).sum(axis=1).min()) >= 0.999


def test_without_a_gpu_to_see_the_cpu_works_and_the_status_says_why(
    specs: dict[str, ModelSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    with Encoder(specs["pocket"], EncoderConfig(precision="fp32"), tmp_path) as encoder:
        assert encoder.encode_texts(["a cat"]).shape == (1, specs["pocket"].dim)
        status = encoder.status()

    assert status.device == "cpu"
    assert status.reason.startswith("CUDA is not available: ")
