"""The model at work: in slices that fit its memory, through what works. Child only."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np

from clipd.encode.probe import probe_pictures
from clipd.encode.shortage import first_line, is_out_of_memory
from clipd.encode.wish import Wish
from clipd.errors import EncodeError, ModelError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Pixels, Vectors

log = logging.getLogger(__name__)

# Where a query cannot be answered beside it, it waits for the running slice. This bounds the wait.
SLICE_SECONDS = 0.3
# Whoever asks once asks again: for a while slices are short then, which costs a fifth of the rate.
_SHORT_SECONDS = 0.06
_SHORT_FOR_SECONDS = 20.0
# Every slice reads all weights from memory once; with fewer pictures that is most of the work.
_LEAST_SLICE = 4
_TEXTS_PER_PASS = 64
_SLICES_BEFORE_GROWTH = 64  # a minute or so: a slice that does not fit costs half a second
_UNUSABLE = (
    "the vector that the model makes of a {} is zero or not finite: its weights may be "
    'damaged (fetch them again), or encoder.precision too low (set it to "fp32")'
)

Items = TypeVar("Items", Pixels, Sequence[str])
Work = Callable[[], Vectors]


def call(work: Work) -> Vectors:
    """Do the work here and now."""
    return work()


class Model(Protocol):
    """A loaded model: pixels or text in, unit vectors out, NaN for a row without one."""

    @property
    def runtime(self) -> str:
        """What computes it: "openvino" or "torch"."""

    @property
    def device(self) -> str:
        """Where it is: "cpu" or "cuda"."""

    @property
    def precision(self) -> str:
        """What it computes in: "fp32", "bf16" or "fp16"."""

    @property
    def measured(self) -> Mapping[str, JsonValue]:
        """What the choice of its precision rests on, by precision."""

    @property
    def does_both(self) -> bool:
        """Whether texts may be encoded on one thread while pictures are on another."""

    def images(self, pixels: Pixels) -> Vectors:
        """Encode one slice of pictures in one forward pass."""

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts in one forward pass."""


class Engine:
    """A loaded model that keeps going: smaller slices, then the CPU, when memory runs out."""

    def __init__(self, spec: ModelSpec, wish: Wish) -> None:
        self._spec = spec
        self._wish = wish
        self.reason = wish.reason  # why this device and runtime, where that may surprise
        self._limit = wish.batch  # pictures a slice; halved when memory runs out
        self._asked_at = -math.inf  # when a text was encoded last, time.monotonic
        self._fitted = 0  # slices of that size in a row that fitted
        self._seconds_each = 0.0  # of one picture, as measured
        self._model = self._through_openvino() or self._through_torch(wish.device)

    @property
    def runtime(self) -> str:
        """What computes the model: "openvino" or "torch"."""
        return self._model.runtime

    @property
    def measured(self) -> Mapping[str, JsonValue]:
        """What the choice of the precision rests on, by precision."""
        return self._model.measured

    @property
    def device(self) -> str:
        """Where the model is: "cpu" or "cuda"."""
        return self._model.device

    @property
    def precision(self) -> str:
        """What the model computes in: "fp32", "bf16" or "fp16"."""
        return self._model.precision

    def encode_images(
        self,
        pixels: Pixels,
        between: Callable[[], None],
        beside: Callable[[Work], Vectors] = call,
    ) -> Vectors:
        """Encode pictures slice by slice.

        Args:
            pixels: uint8, shape (n, side, side, 3).
            between: called after each slice.
            beside: called to compute a slice, in which texts may be encoded meanwhile, by the
                thread that has called `encode_images` alone.

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
            part = self._fitting(some, lambda some: self._pictures(some, beside))
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
        self._asked_at = time.monotonic()
        vectors = np.concatenate(parts)
        if np.isnan(vectors).any():
            raise EncodeError(_UNUSABLE.format("text"))
        return vectors

    def _pictures(self, some: Pixels, beside: Callable[[Work], Vectors]) -> Vectors:
        model = self._model  # what a text fails on may be replaced meanwhile
        return (beside if model.does_both else call)(lambda: model.images(some))

    def _insist_on_a_working_model(self) -> None:
        """Tell a picture that the model fails on from a model that fails on every picture."""
        good = probe_pictures(self._spec.preprocess.side)[:1]
        if np.isnan(self._model.images(good)).any():
            raise EncodeError(_UNUSABLE.format("picture"))

    def _through_openvino(self) -> Model | None:
        """Return the converted model, or None where there is none that can be used."""
        if self._wish.compiled is None:
            return None
        try:
            # Imported here: only one of the two runtimes is needed, and both are large.
            from clipd.encode.openvino_model import OpenVinoModel

            return OpenVinoModel(self._wish.compiled, self._spec, self._wish.threads)
        except (ImportError, RuntimeError, ModelError) as error:
            self._say(f"OpenVINO failed, so torch is used: {first_line(error)}")
            return None

    def _through_torch(self, wanted: str) -> Model:
        from clipd.encode import torch_runtime

        device, reason = torch_runtime.choose_device(wanted)
        self.reason = reason or self.reason
        try:
            model = torch_runtime.load(self._spec, self._wish, device)
            side = self._spec.preprocess.side
            self._limit = torch_runtime.most_at_once(model, self._limit, side)
            return model
        except (RuntimeError, MemoryError) as error:
            if device == "cpu":
                raise EncodeError(f"no room for the model {self._spec.name}: {error}") from error
            self.reason = f"CUDA failed, so the CPU is used: {first_line(error)}"
        torch_runtime.free()
        return self._through_torch("cpu")

    def _slice(self) -> int:
        """Return how many pictures to encode next: a power of two that takes `SLICE_SECONDS`.

        Fewer while somebody searches, if texts have to wait for them.

        A power of two, because oneDNN prepares anew for each size that it has not seen.
        """
        is_asked = time.monotonic() - self._asked_at < _SHORT_FOR_SECONDS
        seconds = _SHORT_SECONDS if is_asked and not self._model.does_both else SLICE_SECONDS
        fitting = seconds / self._seconds_each if self._seconds_each else _LEAST_SLICE
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
            model = self._model
            try:
                return encode(items)
            except (RuntimeError, MemoryError, ModelError) as error:
                if self._model is not model:  # a text has met with the same, and replaced it
                    continue
                is_memory, reason = is_out_of_memory(error), first_line(error)
                if not is_memory and not self._has_fallback():
                    raise
            if not is_memory:
                self._fall_back(f"failed: {reason}")
            elif len(items) > 1:
                items = items[: len(items) // 2]
                self._shrink(len(items), reason)
            elif self.device != "cpu":
                self._fall_back(f"has no room for one picture: {reason}")
            else:
                raise EncodeError(
                    f"not enough memory to encode one picture or text with {self._spec.name}: "
                    f"close something, or choose a smaller model.name ({reason})"
                )

    def _shrink(self, size: int, reason: str) -> None:
        self._free()
        self._limit, self._fitted = min(self._limit, size), 0
        log.warning("memory ran out; now %d at a time (%s)", size, reason)

    def _has_fallback(self) -> bool:
        return self.device != "cpu" or self.runtime != "torch"

    def _fall_back(self, why: str) -> None:
        """Go on with torch on the CPU, which works everywhere."""
        what = "the GPU" if self.device != "cpu" else "OpenVINO"
        self._say(f"{what} {why}; so torch on the CPU is used")
        self._limit, self._seconds_each = self._wish.batch, 0.0
        self._model = self._through_torch("cpu")

    def _free(self) -> None:
        if self.runtime == "torch":
            from clipd.encode import torch_runtime

            torch_runtime.free()

    def _say(self, reason: str) -> None:
        self.reason = reason
        log.warning("%s", reason)
