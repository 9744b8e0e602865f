"""Models that were converted for this processor: where they lie, and whether they still fit.

Light: the daemon looks here before it starts an encoder. `convert_worker` fills the folders.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clipd.encode.model_json import read_json, write_json
from clipd.encode.pins import insist_on_bytes
from clipd.errors import ModelError
from clipd.json_types import JsonObject, JsonValue
from clipd.photo import ModelSpec

log = logging.getLogger(__name__)

IMAGE, TEXT = "image", "text"  # the towers
INT8 = "int8"
_FORMAT = 1  # to be raised when what is written or how it is made changes
_MANIFEST = "compiled.json"
_REFUSAL = "refused.json"
_KEPT = 4  # folders: somebody who compares models shall not wait at each change
# What the conversion runs through: another version may convert otherwise, or not read the result.
_LIBRARIES = ("openvino", "torch", "open_clip_torch", "timm")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model that is ready to run: a file for each tower, and what it was proved to compute."""

    folder: Path
    precision: str  # "fp32", "bf16", "fp16" or "int8"
    context: int  # tokens in a row of the text tower
    measured: Mapping[str, JsonValue]  # of each precision that was tried: speed and cosine

    def file(self, tower: str) -> Path:
        """Return the file of a tower, as OpenVINO exports it."""
        return self.folder / f"{tower}.blob"

    def proof(self, tower: str) -> Path:
        """Return the file of the vectors that the tower makes of its proof (numpy)."""
        return self.folder / f"{tower}.npy"


def home_of(spec: ModelSpec, precision: str, cache: Path) -> Path:
    """Return the folder for a model in a wanted precision, named by all that makes it unusable.

    Raises:
        ModelError: a library that converts models is not installed.
    """
    parts = [_FORMAT, spec.fingerprint, precision, *_versions(), processor()]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
    return cache / "compiled" / key


def homes_of(spec: ModelSpec, wanted: str, cache: Path) -> tuple[Path, Path]:
    """Return the folders of a model: as it is converted first, and with pictures in int8.

    Args:
        spec: the model.
        wanted: ``encoder.precision``.
        cache: the folder for what can be made again.

    Raises:
        ModelError: as `home_of`.
    """
    first = "auto" if wanted == INT8 else wanted
    return home_of(spec, first, cache), home_of(spec, f"{wanted} with {INT8}", cache)


def measured_for(spec: ModelSpec, wanted: str, cache: Path) -> JsonObject:
    """Return what the choice of a precision rests on; nothing before it was made.

    Raises:
        ModelError: as `home_of`.
    """
    first, refined = homes_of(spec, wanted, cache)
    refused = read_json(refined / _REFUSAL)
    said = read_json(refined / _MANIFEST) or read_json(first / _MANIFEST) or {}
    measured = refused or said.get("measured")
    return measured if isinstance(measured, dict) else {}


def find(home: Path, cache: Path) -> Compiled | None:
    """Return the converted model in a folder; None where it is absent, not whole or damaged.

    What is found is marked as used, for `forget_oldest`.
    """
    said = read_json(home / _MANIFEST)
    if said is None:
        return None
    try:
        found = read(home)
        for tower in (IMAGE, TEXT):
            insist_on_bytes(found.file(tower), str(said.get(tower)), cache)
    except ModelError as error:
        log.warning("the converted model in %s cannot be used and is made anew: %s", home, error)
        return None
    with suppress(OSError):
        os.utime(home)
    return found


def read(home: Path) -> Compiled:
    """Return the converted model in a folder, without looking into its large files.

    Raises:
        ModelError: there is none.
    """
    said = read_json(home / _MANIFEST) or {}
    measured, context = said.get("measured"), said.get("context")
    if not isinstance(measured, dict) or not isinstance(context, int):
        raise ModelError(f"there is no converted model in {home}")
    return Compiled(home, str(said.get("precision")), context, measured)


def record(found: Compiled, digests: Mapping[str, str]) -> None:
    """Write the manifest, which makes a folder count.

    Args:
        found: what lies in the folder.
        digests: SHA-256 of the file of each tower.

    Raises:
        OSError: it cannot be written.
    """
    said: dict[str, JsonValue] = {
        "precision": found.precision,
        "context": found.context,
        "measured": dict(found.measured),
        **digests,
    }
    write_json(found.folder / _MANIFEST, said)


def refuse(home: Path, measured: Mapping[str, JsonValue]) -> None:
    """Note that a precision was tried and is not good enough, so that it is not tried again."""
    write_json(home / _REFUSAL, measured)


def is_refused(home: Path) -> bool:
    """Whether `refuse` was called for this folder."""
    return (home / _REFUSAL).is_file()


def forget(home: Path) -> None:
    """Remove what was converted, so that it is made anew."""
    (home / _MANIFEST).unlink(missing_ok=True)  # first: a folder without it does not count
    shutil.rmtree(home, ignore_errors=True)


def forget_oldest(home: Path) -> None:
    """Remove all but the folders used last: they hold the weights of their model once more."""
    by_age = sorted(home.parent.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for old in by_age[_KEPT:]:
        forget(old)


def processor() -> str:
    """Return what tells this processor from others: its name and what it can."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    wanted = ("model name", "flags", "CPU part", "Features")  # the latter two on ARM
    return " ".join(sorted({line for line in lines if line.startswith(wanted)}))


def _versions() -> list[str]:
    try:
        return [version(library) for library in _LIBRARIES]
    except PackageNotFoundError as error:
        raise ModelError(f"the Python package {error.name} is not installed") from error
