"""An open_clip model, converted for OpenVINO on this processor. Child processes only.

Each tower is traced with torch, converted, compiled in every precision to choose from, compared
with torch, and written as OpenVINO exports it. Towers go one after the other, to save memory.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from clipd.durable import write_durably
from clipd.encode import openclip
from clipd.encode.agreement import TEXTS, compared
from clipd.encode.compiled import IMAGE, INT8, TEXT, Compiled, record, refuse
from clipd.encode.model_json import sha256_of
from clipd.encode.openvino_library import PrePostProcessor, openvino
from clipd.encode.openvino_model import OpenVinoModel, Tower, compile_tower, precisions
from clipd.encode.probe import AGREEMENT, GAIN, PROBE_TEXTS, least_cosine, probe_pictures
from clipd.encode.quantizer import quantized
from clipd.encode.tokenizer import Tokenizer
from clipd.errors import ModelError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels, Preprocess, Vectors

log = logging.getLogger(__name__)

Rows = NDArray[Any]  # pixels or token ids, what a tower is fed
# What tokenizers differ over: case, accents, marks, entities, length, nothing at all.
_ODD_TEXTS = (*PROBE_TEXTS, "", "A_b, C's 2024!", "Été à Zürich 🐕 写真", "&amp; <b>", "wolf " * 99)
_SLICE = 8  # pictures at a time
_ROUNDS = 6
_FAITHFUL = 0.9999  # least cosine of the converted model in fp32 to torch in fp32


@dataclass(frozen=True, slots=True)
class Example:
    """What a tower is tried with, and what torch makes of it in fp32."""

    rows: Rows
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Trial:
    """What a precision was measured to do."""

    seconds: float  # of the processor, for the example of the image tower
    cosine: float  # the least to torch in fp32, over both towers

    def to_json(self) -> dict[str, JsonValue]:
        """Return the figures as the manifest keeps them."""
        return {"seconds": round(self.seconds, 4), "cosine": round(self.cosine, 6)}


def convert(spec: ModelSpec, wanted: str, threads: int, folder: Path) -> Compiled:
    """Convert a model, choose its precision, write it.

    Args:
        spec: the model.
        wanted: "auto", "fp32", "bf16", "fp16".
        threads: of the encoder, for which the precision is chosen.
        folder: where to write; it is there, and empty.

    Raises:
        ModelError: it cannot be converted, or computes something else then.
        OSError: the folder cannot be written to.
    """
    candidates = [one for one in precisions() if wanted in (one, "auto")]
    if not candidates:
        raise ModelError(f"OpenVINO does not compute in {wanted} on this processor")
    model = openclip.load(spec, "cpu")
    context = _context(model)
    examples = _examples(model, spec.preprocess.side, context)
    towers = {name: _converted(model, name, spec.preprocess) for name in (IMAGE, TEXT)}
    trials = {
        one: _try(one, towers, examples, threads) for one in dict.fromkeys(["fp32", *candidates])
    }
    if not trials["fp32"].cosine >= _FAITHFUL:
        raise ModelError(f"converted, it computes other vectors ({trials['fp32'].cosine:.4f})")
    precision = _best(trials) if wanted == "auto" else wanted
    measured: dict[str, JsonValue] = {name: trial.to_json() for name, trial in trials.items()}
    found = Compiled(folder, precision, context, measured)
    digests = {}
    for name in (IMAGE, TEXT):
        digests[name] = _write(found, name, towers.pop(name), examples[name], threads)
    record(found, digests)
    return found


def refine(
    spec: ModelSpec, wanted: str, threads: int, base: Path, folder: Path, sample: Pixels
) -> None:
    """Compute the image tower in int8, if that finds the same among pictures of the user.

    Args:
        spec: the model.
        wanted: "auto", or "int8" to have it in any case.
        threads: of the encoder.
        base: where it lies converted in another precision, whose text tower is taken over.
        folder: where to write; without a manifest where it is not good enough.
        sample: pictures of the user.

    Raises:
        ModelError: it cannot be converted.
        OSError: the folder cannot be written to.
    """
    before = OpenVinoModel(base, spec, threads)
    tower = _converted(openclip.load(spec, "cpu"), IMAGE, spec.preprocess)
    rough = quantized(tower, sample[::2])
    made = Tower(compile_tower(rough, INT8, threads))
    exact = Tower(compile_tower(tower, "fp32", threads))
    proof = compared(_sliced(made, sample), _sliced(exact, sample), before.texts(TEXTS))
    took_before, took = _cpu_seconds([before.images, made], sample)
    gain = took_before / took
    log.info("int8: %.2fx %s, %s", gain, before.precision, proof)
    figures: dict[str, JsonValue] = {
        "gain": round(gain, 2),
        "cosine": round(proof.cosine, 5),
        "hits": round(proof.hits, 3),
    }
    measured = {**before.measured, INT8: figures}
    if wanted == "auto" and not (proof.is_enough and gain >= GAIN):
        refuse(folder, measured)
        return
    found = Compiled(folder, INT8, before.context, measured)
    pictures = probe_pictures(spec.preprocess.side)
    example = Example(pictures, made(pictures))
    digests = {IMAGE: _write(found, IMAGE, rough, example, threads)}
    for suffix in ("blob", "npy"):
        shutil.copyfile(base / f"{TEXT}.{suffix}", folder / f"{TEXT}.{suffix}")
    digests[TEXT] = sha256_of(found.file(TEXT))
    record(found, digests)


def pixels_of(body: bytes | bytearray, side: int) -> Pixels:
    """Read pictures from a message."""
    return np.frombuffer(body, np.uint8).reshape(-1, side, side, 3)


def _sliced(tower: Tower, sample: Pixels) -> Vectors:
    starts = range(0, len(sample), _SLICE)
    return np.concatenate([tower(sample[start : start + _SLICE]) for start in starts])


def _context(model: openclip.TorchModel) -> int:
    """Return how many tokens a text of the model has.

    Raises:
        ModelError: its tokens are not those of `Tokenizer`; many newer models have their own.
    """
    theirs = model.tokens(_ODD_TEXTS).numpy()
    context = int(theirs.shape[1])
    if not np.array_equal(theirs, Tokenizer(context)(_ODD_TEXTS)):
        raise ModelError("its tokenizer is not CLIP's own")
    return context


def _examples(model: openclip.TorchModel, side: int, context: int) -> dict[str, Example]:
    pictures, ids = probe_pictures(side), Tokenizer(context)(PROBE_TEXTS)
    return {
        IMAGE: Example(pictures, model.images(pictures)),
        TEXT: Example(ids, model.texts(PROBE_TEXTS)),
    }


def _converted(model: openclip.TorchModel, name: str, preprocess: Preprocess) -> openvino.Model:
    """Convert one tower, for any number of rows.

    Raises:
        ModelError: it holds something that OpenVINO has no word for.
    """
    side = preprocess.side
    rows = torch.zeros(2, 3, side, side) if name == IMAGE else _two_texts(model)
    try:
        with _tracing():
            traced = cast(Any, torch.jit).trace(_Half(model.module, name), rows, check_trace=False)
            tower = openvino.convert_model(
                traced, example_input=rows, input=[-1, *rows.shape[1:]], verbose=False
            )
    except Exception as error:  # of any kind: the libraries name no base
        first = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise ModelError(f"OpenVINO cannot convert its {name} tower: {first}") from error
    return _fed_with_pixels(tower, preprocess) if name == IMAGE else tower


class _Half(torch.nn.Module):
    """One tower of a model as a module of its own."""

    def __init__(self, whole: torch.nn.Module, name: str) -> None:
        super().__init__()
        self.whole = whole
        self.is_image = name == IMAGE

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        whole = cast(Any, self.whole)
        out = whole.encode_image(rows) if self.is_image else whole.encode_text(rows)
        return cast(torch.Tensor, out)


@contextmanager
def _tracing() -> Iterator[None]:
    """Have torch record plain operations, without a word about how it does so."""
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation that OpenVINO does not know
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch calls tracing old, and constants suspicious
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)


def _fed_with_pixels(tower: openvino.Model, preprocess: Preprocess) -> openvino.Model:
    """Put open_clip's ToTensor and Normalize before a tower."""
    steps = PrePostProcessor(tower)
    pixels = steps.input()
    pixels.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    pixels.model().set_layout(openvino.Layout("NCHW"))
    (
        pixels.preprocess()
        .convert_element_type(openvino.Type.f32)
        .scale(255.0)
        .mean(list(preprocess.mean))
        .scale(list(preprocess.std))
        .convert_layout(openvino.Layout("NCHW"))
    )
    return steps.build()


def _try(
    precision: str,
    towers: dict[str, openvino.Model],
    examples: dict[str, Example],
    threads: int,
) -> Trial:
    """Measure a precision: how fast, and how far from what torch computes in fp32."""
    cosines = []
    for name, model in towers.items():
        tower, example = Tower(compile_tower(model, precision, threads)), examples[name]
        for count in (1, len(example.rows)):  # traced with two rows, it has to take any number
            made = tower(example.rows[:count])
            cosines.append(least_cosine(made, example.vectors[:count]))
        if name == IMAGE:
            (seconds,) = _cpu_seconds([tower], example.rows)
    return Trial(seconds, float(np.min(cosines)))


def _cpu_seconds(towers: Sequence[Callable[[Rows], Vectors]], rows: Rows) -> list[float]:
    """Measure how long each takes for some rows, in turn, so that all meet the same machine.

    In seconds of the processor, which count less of what else goes on than those of a clock.
    """
    took: list[list[float]] = [[] for _ in towers]
    for _ in range(_ROUNDS):
        for readings, tower in zip(took, towers, strict=True):
            started = time.process_time()
            tower(rows[:_SLICE])
            readings.append(time.process_time() - started)
    return [min(readings[1:]) for readings in took]  # the first round warms up


def _best(trials: dict[str, Trial]) -> str:
    """Choose the fastest precision that agrees with fp32.

    A gain is not asked for: a lower precision also takes half the memory.
    """
    for precision, trial in trials.items():
        gain = trials["fp32"].seconds / trial.seconds
        log.info("%s: %.2fx fp32, cosine %.5f", precision, gain, trial.cosine)
    fit = {name: trial for name, trial in trials.items() if trial.cosine >= AGREEMENT}
    return min(fit, key=lambda name: fit[name].seconds)


def _write(
    found: Compiled, name: str, model: openvino.Model, example: Example, threads: int
) -> str:
    """Write one tower and its proof; return the SHA-256 of its file."""
    aside = found.folder / f"{name}.xml"
    # Weights in fp16 halve the file and what a text maps of it; bf16 keeps fewer digits anyhow.
    openvino.save_model(model, aside, compress_to_fp16=found.precision != "fp32")
    compiled = compile_tower(aside, found.precision, threads)
    np.save(found.proof(name), Tower(compiled)(example.rows))
    content = compiled.export_model().getvalue()
    write_durably(found.file(name), content)
    for part in (aside, aside.with_suffix(".bin")):
        part.unlink()
    return hashlib.sha256(content).hexdigest()


def _two_texts(model: openclip.TorchModel) -> torch.Tensor:
    return model.tokens(PROBE_TEXTS[:2])
