"""Whether there may be a GPU, found out without loading a library for it."""

from __future__ import annotations

from pathlib import Path

# The drivers of NVIDIA's GPUs, of AMD's, and of either inside of Windows.
_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def has_gpu_driver() -> bool:
    """Whether the driver of a GPU is loaded. Whether torch can use it only torch can tell."""
    return any(Path(file).exists() for file in _FILES)
