"""The fastest precision that a model keeps its meaning in, on this device. Child only."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path

import numpy as np
import torch

from clipd.encode.compiled import processor
from clipd.encode.model_json import read_json, remember
from clipd.encode.openclip import DTYPES, TorchModel
from clipd.encode.probe import (
    AGREEMENT,
    GAIN,
    PROBE_TEXTS,
    Probe,
    least_cosine,
    probe_pictures,
)
from clipd.errors import EncodeError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels

log = logging.getLogger(__name__)

# So few pictures as there are in the probe keep a GPU busy with the start of kernels, which takes
# as long in every precision.
_GPU_PICTURES = 128
_CLEARLY = 1.1  # how much faster fp16 must be than bf16, which has the range of fp32


def known(spec: ModelSpec, device: str, cache: Path) -> str | None:
    """Return the precision that was measured to be best for a model on this device, or None."""
    precision = (read_json(_note(spec, device, cache)) or {}).get("precision")
    return str(precision) if precision in DTYPES else None


def calibrated(model: TorchModel, spec: ModelSpec, cache: Path) -> TorchModel:
    """Measure which precision is best for an fp32 model, note it, return the model in it."""
    best = _best(model, spec.preprocess.side)
    note: dict[str, JsonValue] = {"model": spec.name, "device": model.device}
    remember(_note(spec, model.device, cache), {**note, "precision": best.precision})
    return best


def _best(model: TorchModel, side: int) -> TorchModel:
    best, reference = model, _probe(model, side)
    fastest = reference.seconds / GAIN
    for precision in ("bf16", "fp16") if model.device.startswith("cuda") else ("bf16",):
        candidate = model.converted(precision)
        try:
            probe = _probe(candidate, side)
        except (EncodeError, RuntimeError) as error:  # some architectures only know fp32
            log.info("%s does not work here: %s", precision, error)
            continue
        cosine = least_cosine(probe.vectors, reference.vectors)
        log.info(
            "%s: %.2fx fp32, cosine %.5f", precision, reference.seconds / probe.seconds, cosine
        )
        if cosine >= AGREEMENT and probe.seconds < fastest:
            best, fastest = candidate, probe.seconds / _CLEARLY
    return best


def _probe(model: TorchModel, side: int) -> Probe:
    pixels = probe_pictures(side)
    vectors = np.concatenate([model.images(pixels), model.texts(PROBE_TEXTS)])  # also warms up
    if model.device != "cpu":
        pixels = np.tile(pixels, (_GPU_PICTURES // len(pixels), 1, 1, 1))
        model.images(pixels)
    seconds = min(_seconds(model, pixels) for _ in range(2))
    return Probe(seconds, vectors)


def _seconds(model: TorchModel, pixels: Pixels) -> float:
    started = time.perf_counter()
    model.images(pixels)  # copies its result to the CPU, so a GPU has finished
    return time.perf_counter() - started


def _note(spec: ModelSpec, device: str, cache: Path) -> Path:
    chip = torch.cuda.get_device_name() if device.startswith("cuda") else processor()
    parts = [spec.fingerprint, device, chip, torch.__version__]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    return cache / "precision" / f"{key}.json"
