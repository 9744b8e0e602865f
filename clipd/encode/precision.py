"""The fastest precision that a model keeps its meaning in, on this device. Child only."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clipd.encode.model_json import read_json, remember
from clipd.encode.openclip import DTYPES, Model
from clipd.errors import EncodeError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels, Vectors

log = logging.getLogger(__name__)

AGREEMENT = 0.999  # least cosine between the vectors of a precision and those of fp32
GAIN = 1.2  # how much faster a lower precision must be: below, timing noise would decide
_PICTURES = 4
_TEXTS = ("a photo of a cat", "sunset over the sea", "two people at a table, indoors", "x")


@dataclass(frozen=True, slots=True)
class Probe:
    """What a precision made of the probe: how fast, and how far from fp32."""

    seconds: float
    vectors: Vectors  # of the pictures, then of the texts


def known(spec: ModelSpec, device: str, cache: Path) -> str | None:
    """Return the precision that was measured to be best for a model on this device, or None."""
    precision = (read_json(_note(spec, device, cache)) or {}).get("precision")
    return str(precision) if precision in DTYPES else None


def calibrated(model: Model, spec: ModelSpec, cache: Path) -> Model:
    """Measure which precision is best for an fp32 model, note it, return the model in it."""
    best = _best(model, spec.preprocess.side)
    note: dict[str, JsonValue] = {"model": spec.name, "device": model.device}
    remember(_note(spec, model.device, cache), {**note, "precision": best.precision})
    return best


def _best(model: Model, side: int) -> Model:
    best, reference = model, _probe(model, side)
    fastest = reference.seconds / GAIN
    for precision in ("bf16", "fp16") if model.device.startswith("cuda") else ("bf16",):
        candidate = model.converted(precision)
        try:
            probe = _probe(candidate, side)
        except (EncodeError, RuntimeError) as error:  # some architectures only know fp32
            log.info("%s does not work here: %s", precision, error)
            continue
        cosine = float(np.sum(probe.vectors * reference.vectors, axis=1).min())
        log.info(
            "%s: %.2fx fp32, cosine %.5f", precision, reference.seconds / probe.seconds, cosine
        )
        if cosine >= AGREEMENT and probe.seconds < fastest:
            best, fastest = candidate, probe.seconds
    return best


def _probe(model: Model, side: int) -> Probe:
    pixels = probe_pictures(side)
    vectors = np.concatenate([model.images(pixels), model.texts(_TEXTS)])  # also warms up
    seconds = min(_seconds(model, pixels) for _ in range(2))
    return Probe(seconds, vectors)


def _seconds(model: Model, pixels: Pixels) -> float:
    started = time.perf_counter()
    model.images(pixels)  # copies its result to the CPU, so a GPU has finished
    return time.perf_counter() - started


def probe_pictures(side: int) -> Pixels:
    """Return pictures with smooth areas, edges and noise, the same each time."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    pictures = []
    for number in range(_PICTURES):
        waves = np.sin((number + 1) * 3 * rows + 2 * columns * number)
        colours = random.uniform(40, 215, 3) + 40 * waves[..., None] * random.uniform(-1, 1, 3)
        colours += random.normal(0, 4 * number, (side, side, 3))
        colours[(rows - 0.5) ** 2 + (columns - 0.4) ** 2 < 0.02 * (number + 1)] *= 0.4
        pictures.append(colours.clip(0, 255).astype(np.uint8))
    return np.stack(pictures)


def _note(spec: ModelSpec, device: str, cache: Path) -> Path:
    chip = torch.cuda.get_device_name() if device.startswith("cuda") else _cpu_name()
    parts = [spec.fingerprint, device, chip, torch.__version__]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    return cache / "precision" / f"{key}.json"


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return " ".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))
