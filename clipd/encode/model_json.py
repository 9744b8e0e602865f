"""A model's description as JSON: beside its weights, in the cache, on its way to a child."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, cast

from clipd.durable import write_durably
from clipd.errors import ModelError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Preprocess

log = logging.getLogger(__name__)

_READ_BYTES = 1 << 20


def as_json(spec: ModelSpec) -> dict[str, JsonValue]:
    """Return the description as JSON-ready values."""
    return cast(dict[str, JsonValue], asdict(spec))


def from_json(data: Mapping[str, JsonValue]) -> ModelSpec:
    """Return the description that `as_json` wrote.

    Raises:
        ModelError: a key is absent or has another type.
    """
    try:
        return ModelSpec(
            name=str(data["name"]),
            architecture=str(data["architecture"]),
            pretrained=str(data["pretrained"]),
            checkpoint=str(data["checkpoint"]),
            dim=number(data["dim"]),
            preprocess=preprocess_from(data["preprocess"]),
            fingerprint=str(data["fingerprint"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"a model's description cannot be read: {error!r}; fetch it again"
        ) from error


def preprocess_from(data: JsonValue) -> Preprocess:
    """Return how pictures are prepared, from JSON.

    Raises:
        KeyError, TypeError, ValueError: not the JSON of a `Preprocess`.
    """
    if not isinstance(data, dict):
        raise TypeError("preprocess is not an object")
    resize, interpolation = data["resize"], data["interpolation"]
    if resize not in ("shortest", "squash", "longest"):
        raise ValueError(f"unknown resize mode: {resize!r}")
    if interpolation not in ("bicubic", "bilinear"):
        raise ValueError(f"unknown interpolation: {interpolation!r}")
    return Preprocess(
        side=number(data["side"]),
        resize=cast(Literal["shortest", "squash", "longest"], resize),
        interpolation=cast(Literal["bicubic", "bilinear"], interpolation),
        mean=_triple(data["mean"]),
        std=_triple(data["std"]),
        fill=number(data["fill"]),
    )


def number(value: JsonValue) -> int:
    """Return a whole number from JSON.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, int):
        raise TypeError(f"not a whole number: {value!r}")
    return value


def fingerprinted(spec: ModelSpec, config: JsonValue, weights_sha256: str) -> ModelSpec:
    """Return the description with its fingerprint: of architecture, weights, preprocessing.

    Where the weights lie and how the user names them is no part of it: a model that moves
    keeps its vectors.
    """
    parts = [spec.architecture, config, weights_sha256, asdict(spec.preprocess)]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return replace(spec, fingerprint=digest[:32])


def tokenizer_folder(spec: ModelSpec) -> Path:
    """Return where the transformers library keeps the tokenizer of a model that needs its own."""
    return Path(spec.checkpoint).parent / "tokenizer"


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file as hex.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while block := source.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def write_json(file: Path, data: Mapping[str, JsonValue]) -> None:
    """Write a small JSON file so that it is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_durably(file, json.dumps(data, indent=1).encode())


def remember(file: Path, data: Mapping[str, JsonValue]) -> None:
    """Write a JSON file that spares work later; where that fails, the work is done again."""
    try:
        write_json(file, data)
    except OSError as error:
        log.warning("cannot write %s: %s", file, error.strerror)


def read_json(file: Path) -> dict[str, JsonValue] | None:
    """Return the object in a JSON file; None where there is none that can be read."""
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _triple(value: JsonValue) -> tuple[float, float, float]:
    if not isinstance(value, list) or len(value) != 3:
        raise TypeError(f"not three numbers: {value!r}")
    red, green, blue = (float(cast(float, part)) for part in value)
    return red, green, blue
