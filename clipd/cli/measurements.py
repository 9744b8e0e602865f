"""What was measured on this machine of the precisions that a model can be computed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.options import Config
from clipd.encode.compiled import measured_for
from clipd.errors import ModelError
from clipd.json_types import JsonObject
from clipd.photo import ModelSpec


def measured_of(spec: ModelSpec, config_file: Path | None, paths: Paths) -> JsonObject:
    """Return the figures by precision; none before the model was prepared.

    Raises:
        ConfigError: the configuration is there and wrong.
    """
    has_config = config_file is not None or paths.config.exists()
    config = load_config(config_file) if has_config else Config()
    try:
        return measured_for(spec, config.encoder.precision, paths.cache)
    except ModelError:  # what converts models is not installed
        return {}


def sentences(measured: JsonObject) -> Iterator[str]:
    """Say of each precision how fast it is, and how far its vectors are from exact ones."""
    exact = measured.get("fp32")
    for precision, figures in measured.items():
        if not isinstance(figures, dict):
            continue
        cosine = _number(figures, "cosine")
        if "gain" in figures:
            yield (
                f"{precision}: {_number(figures, 'gain'):.2f} times as fast as without it; on your"
                f" photos, cosine to fp32 {cosine:.4f} and {100 * _number(figures, 'hits'):.0f} %"
                " of the first hits the same"
            )
        elif isinstance(exact, dict):
            gain = _number(exact, "seconds") / (_number(figures, "seconds") or 1.0)
            yield f"{precision}: {gain:.2f} times as fast as fp32, cosine to it {cosine:.4f}"


def _number(figures: JsonObject, key: str) -> float:
    value = figures.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
