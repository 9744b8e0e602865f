"""The model at work: on the best device that works, in slices that fit its memory. Child only."""

from __future__ import annotations

import gc
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from clipd.encode import openclip
from clipd.encode.precision import calibrated, known, probe_pictures
from clipd.errors import EncodeError
from clipd.photo import ModelSpec, Pixels, Vectors

log = logging.getLogger(__name__)

# A query that arrives while photos are encoded waits for the running slice. This bounds the wait.
SLICE_SECONDS = 0.3
# Every slice reads all weights from memory once; with fewer pictures that is most of the work.
_LEAST_SLICE = 4
_TEXTS_PER_PASS = 64
_GPU_FILES = ("/dev/nvidiactl", "/dev/kfd")  # the drivers of NVIDIA's GPUs, and of AMD's
_SLICES_BEFORE_GROWTH = 64  # a minute or so: a slice that does not fit costs half a second
_UNUSABLE = (
    "the vector that the model makes of a {} is zero or not finite: its weights may be "
    'damaged (fetch them again), or encoder.precision too low (set it to "fp32")'
)

Items = TypeVar("Items", Pixels, Sequence[str])


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the configuration asks of the encoder."""

    device: str  # "auto", "cpu", "cuda"
    precision: str  # "auto", "fp32", "bf16", "fp16"
    batch: int
    cache: Path


class Engine:
    """A loaded model that keeps going: smaller slices, then the CPU, when memory runs out."""

    def __init__(self, spec: ModelSpec, wish: EngineOptions) -> None:
        self._spec = spec
        self._wish = wish
        device, self.reason = choose_device(wish.device)
        self._limit = wish.batch  # pictures a slice; halved when memory runs out
        self._fitted = 0  # slices of that size in a row that fitted
        self._seconds_each = 0.0  # of one picture, as measured
        self._model = self._loaded(device)

    @property
    def device(self) -> str:
        """Where the model is: "cpu" or "cuda"."""
        return self._model.device

    @property
    def precision(self) -> str:
        """What the model computes in: "fp32", "bf16" or "fp16"."""
        return self._model.precision

    def encode_images(self, pixels: Pixels, between: Callable[[], None]) -> Vectors:
        """Encode pictures slice by slice, calling `between` after each slice.

        Returns:
            Unit rows; a row of NaN for a picture that the model makes no usable vector of.

        Raises:
            EncodeError: not even one picture fits in memory, or the model makes no usable
                vectors of any picture.
        """
        parts = [np.empty((0, self._spec.dim), np.float32)]
        done = 0
        while done < len(pixels):
            started = time.perf_counter()
            some = pixels[done : done + self._slice()]
            part = self._fitting(some, lambda some: self._model.images(some))
            if np.isnan(part).any(axis=1).all():
                self._insist_on_a_working_model()
            parts.append(part)
            self._grow(len(part))
            done += len(part)
            self._learn((time.perf_counter() - started) / len(part))
            between()
        return np.concatenate(parts)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts.

        Raises:
            EncodeError: they do not fit in memory, or a vector is zero or not finite.
        """
        parts = [np.empty((0, self._spec.dim), np.float32)]
        done = 0
        while done < len(texts):
            some = texts[done : done + _TEXTS_PER_PASS]
            parts.append(self._fitting(some, lambda some: self._model.texts(some)))
            done += len(parts[-1])
        vectors = np.concatenate(parts)
        if np.isnan(vectors).any():
            raise EncodeError(_UNUSABLE.format("text"))
        return vectors

    def _insist_on_a_working_model(self) -> None:
        """Tell a picture that the model fails on from a model that fails on every picture."""
        good = probe_pictures(self._spec.preprocess.side)[:1]
        if np.isnan(self._model.images(good)).any():
            raise EncodeError(_UNUSABLE.format("picture"))

    def _loaded(self, device: str) -> openclip.Model:
        try:
            return self._prepared(device)
        except (RuntimeError, MemoryError) as error:
            if device == "cpu":
                raise EncodeError(f"no room for the model {self._spec.name}: {error}") from error
            self.reason = f"CUDA failed, so the CPU is used: {_first_line(error)}"
        _free()
        return self._prepared("cpu")

    def _prepared(self, device: str) -> openclip.Model:
        precision: str | None = self._wish.precision
        if precision == "auto":
            precision = known(self._spec, device, self._wish.cache)
        if precision is not None:
            return openclip.load(self._spec, device, precision)
        return calibrated(openclip.load(self._spec, device), self._spec, self._wish.cache)

    def _slice(self) -> int:
        """Return how many pictures to encode next: a power of two that takes `SLICE_SECONDS`.

        A power of two, because oneDNN prepares anew for each size that it has not seen.
        """
        fitting = SLICE_SECONDS / self._seconds_each if self._seconds_each else _LEAST_SLICE
        most = max(1, min(self._limit, max(_LEAST_SLICE, int(fitting))))
        return 1 << (most.bit_length() - 1)

    def _grow(self, size: int) -> None:
        """After some slices that fitted, try twice as many: memory comes back."""
        self._fitted = self._fitted + 1 if size == self._limit else 0
        if self._fitted == _SLICES_BEFORE_GROWTH:
            self._fitted = 0
            self._limit = min(2 * self._limit, self._wish.batch)

    def _learn(self, seconds_each: float) -> None:
        before = self._seconds_each or seconds_each
        self._seconds_each = 0.7 * before + 0.3 * seconds_each

    def _fitting(self, items: Items, encode: Callable[[Items], Vectors]) -> Vectors:
        """Encode the first of the items, as many as fit in memory."""
        while True:
            try:
                return encode(items)
            except (RuntimeError, MemoryError) as error:
                is_memory, reason = openclip.is_out_of_memory(error), _first_line(error)
                if not is_memory and self.device == "cpu":
                    raise
            if not is_memory:
                self._leave_gpu(f"the GPU failed, so the CPU is used: {reason}")
            elif len(items) > 1:
                items = items[: len(items) // 2]
                self._shrink(len(items), reason)
            elif self.device != "cpu":
                self._leave_gpu(
                    f"the GPU has no room for one picture, so the CPU is used: {reason}"
                )
            else:
                raise EncodeError(
                    f"not enough memory to encode one picture or text with {self._spec.name}: "
                    f"close something, or choose a smaller model.name ({reason})"
                )

    def _shrink(self, size: int, reason: str) -> None:
        _free()
        self._limit, self._fitted = min(self._limit, size), 0
        log.warning("memory ran out; now %d at a time (%s)", size, reason)

    def _leave_gpu(self, reason: str) -> None:
        self.reason = reason
        log.warning("%s", reason)
        self._limit, self._seconds_each = self._wish.batch, 0.0
        self._model = self._loaded("cpu")


def choose_device(wanted: str) -> tuple[str, str]:
    """Return "cuda" or "cpu", and why not the other where that may surprise.

    CUDA is tried, not only asked for: a driver that is too old or a GPU that this torch has no
    kernels for shows only then.
    """
    if wanted == "cpu":
        return "cpu", ""
    trouble = _cuda_trouble()
    if not trouble:
        return "cuda", ""
    # A machine without a GPU that was not told to use one works as it should: no word of it.
    is_news = wanted == "cuda" or any(Path(file).exists() for file in _GPU_FILES)
    return "cpu", f"CUDA is not available: {trouble}" if is_news else ""


def _cuda_trouble() -> str:
    """Return why CUDA cannot be used, "" when it works."""
    if torch.version.cuda is None and torch.version.hip is None:
        return "this torch is built without it"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            if torch.cuda.is_available():
                torch.ones(1, device="cuda").add(1).item()
                return ""
        except RuntimeError as error:
            return _first_line(error)
    return _first_line(said[0].message) if said else "no GPU was found"


def _free() -> None:
    gc.collect()
    with suppress(RuntimeError):  # after some errors, every call of CUDA fails
        torch.cuda.empty_cache()  # does nothing where CUDA was not used


def _first_line(error: object) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:200]
