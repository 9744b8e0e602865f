"""A converted model at work, through OpenVINO alone. Child processes only.

Of torch, torchvision and open_clip nothing is imported: the first text vector is there in half a
second, not four. A tower is loaded when it is first needed, so a query never loads the other.
"""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipd.encode.compiled import IMAGE, INT8, TEXT, read
from clipd.encode.openvino_library import openvino
from clipd.encode.probe import PROBE_TEXTS, probe_pictures
from clipd.encode.tokenizer import Tokenizer
from clipd.errors import ModelError
from clipd.photo import ModelSpec, Pixels, Vectors

log = logging.getLogger(__name__)

HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16"}  # the best last
_SAME = 0.9999  # least cosine to the vectors that the same file made when it was written


class OpenVinoModel:
    """Pixels or text in, unit vectors out; on the CPU."""

    device = "cpu"
    runtime = "openvino"
    does_both = True  # each tower has a request of its own

    def __init__(self, folder: Path, spec: ModelSpec, threads: int) -> None:
        """Load nothing yet but the tokenizer.

        Args:
            folder: where the converted model lies.
            spec: what it was converted from.
            threads: how many to compute with.

        Raises:
            ModelError: it is not there, or the tokenizer's table cannot be read.
        """
        self._compiled = compiled = read(folder)
        self._side = spec.preprocess.side
        self.precision = compiled.precision
        self.measured = compiled.measured
        self.context = compiled.context
        self._options = options_for(compiled.precision, threads)
        self._tokenize = Tokenizer(compiled.context)
        self._towers: dict[str, Tower] = {}
        # A picture of a query may come while a slice of a batch is computed.
        self._image_lock = threading.Lock()

    def images(self, pixels: Pixels) -> Vectors:
        """Encode one slice of pictures in one forward pass.

        Args:
            pixels: uint8, shape (n, side, side, 3).

        Returns:
            Unit rows; a row of NaN where the vector came out zero or not finite.
        """
        with self._image_lock:
            return self._tower(IMAGE)(pixels)

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Encode texts in one forward pass; what is over the context length is cut off.

        Returns:
            As `images`.
        """
        return self._tower(TEXT)(self._tokenize(texts))

    def _tower(self, name: str) -> Tower:
        if name not in self._towers:
            self._towers[name] = self._loaded(name)
        return self._towers[name]

    def _loaded(self, name: str) -> Tower:
        """Load a tower, and see that it makes the vectors that it made when it was written.

        Raises:
            ModelError: it does not.
        """
        with self._compiled.file(name).open("rb") as file:
            weights = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        whole = openvino.Tensor(np.frombuffer(weights, np.uint8), shared_memory=True)
        tower = Tower(_core.import_model(whole, "CPU", self._options), whole)
        if name == IMAGE:
            made = tower(probe_pictures(self._side)[:1])
        else:
            made = tower(self._tokenize(PROBE_TEXTS[:1]))
        # The weights now lie in memory, in the order that the processor wants them. What is read
        # of the file again (embeddings of tokens) comes back page by page.
        weights.madvise(mmap.MADV_DONTNEED)
        cosine = float((made * np.load(self._compiled.proof(name))[:1]).sum())
        if not cosine >= _SAME:
            raise ModelError(f"the converted {name} tower computes other vectors than it did")
        return tower


class Tower:
    """One half of a model, ready to run."""

    def __init__(
        self, compiled: openvino.CompiledModel, weights: openvino.Tensor | None = None
    ) -> None:
        """Take a compiled tower.

        Args:
            compiled: the tower.
            weights: the memory that it was imported from, and goes on reading without keeping it.
        """
        self._weights = weights
        self._request = compiled.create_infer_request()

    def __call__(self, rows: NDArray[Any]) -> Vectors:
        """Encode rows, pixels or token ids, as unit rows; NaN where that is not possible."""
        return unit(self._request.infer([np.ascontiguousarray(rows)])[0])


_core = openvino.Core()


def compile_tower(model: openvino.Model, precision: str, threads: int) -> openvino.CompiledModel:
    """Compile one tower for this processor."""
    return _core.compile_model(model, "CPU", options_for(precision, threads))


def precisions() -> list[str]:
    """Return the precisions that this processor computes in by itself, but int8; fp32 first."""
    said = _core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [name for name in HINTS if name.upper() in said]


def options_for(precision: str, threads: int) -> dict[str, object]:
    """Return how OpenVINO is to compute."""
    return {
        # What is not in int8 then (attention, norms) is computed in the next best.
        "INFERENCE_PRECISION_HINT": HINTS[precisions()[-1] if precision == INT8 else precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        # A thread that may not leave its core waits there behind a busy decoder.
        "ENABLE_CPU_PINNING": False,
    }


def unit(out: NDArray[np.float32]) -> Vectors:
    """Return rows divided by their length; NaN where that is zero or not finite."""
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(out.astype(np.float32, copy=False), axis=-1, keepdims=True)
        is_usable = np.isfinite(lengths) & (lengths > 0)
        return np.where(is_usable, out / lengths, np.nan).astype(np.float32, copy=False)
