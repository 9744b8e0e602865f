"""What the configuration asks of an encoder process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Wish:
    """How the model is to run."""

    device: str  # "auto", "cpu", "cuda"
    precision: str  # "auto", "fp32", "bf16", "fp16"
    batch: int
    cache: Path
    threads: int = 1  # of OpenVINO; torch reads OMP_NUM_THREADS
    compiled: Path | None = None  # folder of the converted model; None: torch computes
    reason: str = ""  # why torch computes, where that may surprise
