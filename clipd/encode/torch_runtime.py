"""The model through torch: on the GPU that works, or on the CPU. Child only."""

from __future__ import annotations

import gc
import warnings
from contextlib import suppress

import torch

from clipd.encode import openclip
from clipd.encode.gpu import has_gpu_driver
from clipd.encode.precision import calibrated, known
from clipd.encode.probe import probe_pictures
from clipd.encode.shortage import first_line
from clipd.encode.wish import Wish
from clipd.photo import ModelSpec

_SHARE = 0.5  # of the free memory of a GPU: others use it too, and the allocator leaves gaps


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
    is_news = wanted == "cuda" or has_gpu_driver()
    return "cpu", f"CUDA is not available: {trouble}" if is_news else ""


def load(spec: ModelSpec, wish: Wish, device: str) -> openclip.TorchModel:
    """Load a model in the wanted precision; where that is "auto", in the best, once measured.

    Raises:
        ModelError: it cannot be loaded.
        RuntimeError, MemoryError: memory ran out, or the GPU failed.
    """
    precision: str | None = wish.precision
    if precision in ("auto", "int8"):  # torch's own int8 is slower than its bf16
        precision = known(spec, device, wish.cache)
    if precision is not None:
        return openclip.load(spec, device, precision)
    return calibrated(openclip.load(spec, device), spec, wish.cache)


def most_at_once(model: openclip.TorchModel, wanted: int, side: int) -> int:
    """Return how many pictures of those wanted fit into what is free of a GPU's memory.

    On a CPU that is all: memory that is short there shows when it is asked for.

    Raises:
        RuntimeError: there is no room for a few.
    """
    if model.device == "cpu":
        return wanted
    free()
    pixels = probe_pictures(side)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    model.images(pixels)
    bytes_each = max(1, torch.cuda.max_memory_allocated() - before) / len(pixels)
    left, _ = torch.cuda.mem_get_info()
    return max(1, min(wanted, int(_SHARE * left / bytes_each)))


def free() -> None:
    """Give memory back that nothing uses any more."""
    gc.collect()
    with suppress(RuntimeError):  # after some errors, every call of CUDA fails
        torch.cuda.empty_cache()  # does nothing where CUDA was not used


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
            return first_line(error)
    return first_line(said[0].message) if said else "no GPU was found"
