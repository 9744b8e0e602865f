"""The encoder by itself: its start, its speed, its memory, in each runtime and precision."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.inputs import ARCHITECTURE, random_weights
from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.photo import ModelSpec, Pixels, Vectors
from tests import processes

_STARTS = 3
_TURNS = 9
_PICTURES = 64
# OpenVINO in fp32 is measured too: what is left of the gain on a processor without bf16.
_WAYS: Mapping[str, EncoderConfig] = {
    "torch fp32": EncoderConfig(device="cpu", runtime="torch", precision="fp32"),
    "torch": EncoderConfig(device="cpu", runtime="torch"),
    "OpenVINO fp32": EncoderConfig(device="cpu", precision="fp32"),
    "OpenVINO": EncoderConfig(device="cpu"),
    # Not "auto": vectors of random weights lie so close together that its proof says nothing.
    "OpenVINO int8": EncoderConfig(device="cpu", precision="int8"),
}


class Readings:
    """What one way to compute the model was measured to do."""

    def __init__(self) -> None:
        self.first_text_seconds: list[float] = []
        self.pictures_per_second: list[float] = []
        self.text_mib = 0  # resident after a text
        self.pictures_mib = 0  # after pictures too
        self.precision = ""
        self.vectors: Vectors = np.empty((0, 0), np.float32)


def encoder(folder: Path) -> None:
    """Measure every way in turn, several times over, so that each meets the same machine."""
    weights, cache = folder / "weights.safetensors", folder / "cache"
    folder.mkdir(parents=True)
    random_weights(weights)
    spec = resolve(ModelConfig(name=ARCHITECTURE, checkpoint=weights), folder, cache)
    side = spec.preprocess.side
    pixels = np.random.default_rng(0).integers(0, 256, (_PICTURES, side, side, 3), np.uint8)
    for name in ("OpenVINO", "OpenVINO fp32"):
        with Encoder(spec, _WAYS[name], cache) as once:
            began = time.perf_counter()
            once.encode_texts(["a photo"])
            print(f"{name}: prepared and started in {time.perf_counter() - began:.1f} s")
    _try_int8(spec, cache, pixels)
    readings = {name: Readings() for name in _WAYS}
    for _ in range(_STARTS):
        for name, config in _WAYS.items():
            _start(readings[name], spec, config, cache, pixels)
    _encode_in_turn(readings, spec, cache, pixels)
    _table(readings)


def _try_int8(spec: ModelSpec, cache: Path, pixels: Pixels) -> None:
    config = replace(_WAYS["OpenVINO int8"], idle_unload=0.1)
    with Encoder(spec, config, cache) as encoder:
        for start in range(0, len(pixels), 4):
            encoder.encode_images(pixels[start : start + 4])
        began = time.perf_counter()
        while len(list(cache.glob("compiled/*/compiled.json"))) < 3:  # of fp32, auto and int8
            if time.perf_counter() - began > 600:
                raise TimeoutError("int8 was not prepared in ten minutes")
            time.sleep(0.1)
        print(f"OpenVINO int8: prepared at idle in {time.perf_counter() - began:.1f} s")


def _start(
    into: Readings, spec: ModelSpec, config: EncoderConfig, cache: Path, pixels: Pixels
) -> None:
    with Encoder(spec, config, cache) as encoder:
        began = time.perf_counter()
        encoder.encode_texts(["a photo of a cat"])
        into.first_text_seconds.append(time.perf_counter() - began)
        into.text_mib = _resident_mib()
        into.vectors = encoder.encode_images(pixels)
        into.pictures_mib = _resident_mib()
        into.precision = encoder.status().precision


def _encode_in_turn(
    readings: Mapping[str, Readings], spec: ModelSpec, cache: Path, pixels: Pixels
) -> None:
    """Have all ways awake at once and ask one after the other, a second or so each."""
    with ExitStack() as awake:
        encoders = {
            name: awake.enter_context(Encoder(spec, config, cache))
            for name, config in _WAYS.items()
        }
        for turn in range(_TURNS):
            for name, encoder in encoders.items():
                began = time.perf_counter()
                encoder.encode_images(pixels)
                if turn:  # in the first, slices find their size
                    rate = len(pixels) / (time.perf_counter() - began)
                    readings[name].pictures_per_second.append(rate)


def _table(readings: Mapping[str, Readings]) -> None:
    torch, exact = readings["torch"], readings["torch fp32"].vectors
    print(f"{ARCHITECTURE}, medians of {_STARTS} starts and {_TURNS - 1} turns; x: over torch")
    for name, one in readings.items():
        rate = statistics.median(one.pictures_per_second)
        print(
            f"{name:<14} {one.precision:<5}"
            f" first text {statistics.median(one.first_text_seconds):.2f} s,"
            f" {one.text_mib} MiB; pictures {rate:.1f}/s,"
            f" {rate / statistics.median(torch.pictures_per_second):.2f}x, {one.pictures_mib} MiB;"
            f" least cosine {float((one.vectors * exact).sum(axis=1).min()):.5f}",
            flush=True,
        )


def _resident_mib() -> int:
    (pid,) = (one.pid for one in processes.children(os.getpid()) if "encode_worker" in one.command)
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) >> 10
