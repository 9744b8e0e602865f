"""Which bytes the weights of a model must be: known beforehand, or those that came first."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from clipd.encode.model_json import read_json, remember, sha256_of
from clipd.errors import ModelMissingError


@dataclass(frozen=True, slots=True)
class Pin:
    """One file of a repository on the hub, to the last bit."""

    file: str
    sha256: str
    revision: str  # the commit of the repository; "main" where only the bytes are known


_FILE = "open_clip_model.safetensors"

# By open_clip's architecture and tag: the weights of the presets. Each digest was found in the
# records of several independent projects that had fetched and hashed the file (2026-11-24), and
# the sizes agree with what the hub tells.
_KNOWN = {
    ("ViT-B-32-256", "datacomp_s34b_b86k"): Pin(
        _FILE,
        "92c26d60d3200ed5ed040dff31a8d19f8140648da8007216c25744c478deef27",
        "4afec35ffe57a943d569ff7ee888061830164da8",
    ),
    ("ViT-B-32-quickgelu", "openai"): Pin(
        _FILE,
        "e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
        "a6f597a30f7b82c51704746581f9a4e41421e878",
    ),
    ("ViT-B-16-quickgelu", "openai"): Pin(
        _FILE,
        "4b8699299b1e8997753c64b052ba32031449d5d853f55a039148560ee02b820f",
        "977e3dd0ec55ab8da155f2fbeb6b5f54948b6e3d",
    ),
    ("ViT-L-14-quickgelu", "openai"): Pin(
        _FILE,
        "9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",
        "18d0535469bb561bf468d76c1d73aa35156c922b",
    ),
}


def known_pin(architecture: str, pretrained: str) -> Pin | None:
    """Return the pin of weights that clipd knows beforehand."""
    return _KNOWN.get((architecture, pretrained))


def first_pin(description: Path) -> Pin | None:
    """Return the pin of weights that were trusted when they came first.

    Args:
        description: the JSON file beside the weights; it stays when they are gone.
    """
    said = read_json(description) or {}
    file, sha256 = said.get("file"), said.get("sha256")
    if isinstance(file, str) and isinstance(sha256, str):
        return Pin(file, sha256, "main")
    return None


def insist_on_bytes(weights: Path, sha256: str, cache: Path) -> None:
    """Check weights against their hash, unless they were and the file is untouched since.

    Hashing 600 MB took 0.9 to 1.4 s beside other work, so it is not done at every start.

    Raises:
        ModelMissingError: they are other bytes, or cannot be read.
    """
    try:
        if read_json(_note(weights, sha256, cache)) is not None:
            return
        is_right = sha256_of(weights) == sha256
    except OSError as error:
        raise ModelMissingError(f"cannot read the weights {weights}: {error.strerror}") from error
    if not is_right:
        raise ModelMissingError(
            f"the weights {weights} are damaged, or not those that belong here (their SHA-256 is "
            "not the right one): fetch them again with `clipd model fetch`"
        )
    trust_bytes(weights, sha256, cache)


def trust_bytes(weights: Path, sha256: str, cache: Path) -> None:
    """Note that weights have this hash, so that `insist_on_bytes` need not read them."""
    with suppress(OSError):  # gone again: whoever needs them will say so
        remember(_note(weights, sha256, cache), {"file": str(weights), "sha256": sha256})


def _note(weights: Path, sha256: str, cache: Path) -> Path:
    stat = weights.stat()
    identity = [str(weights), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
    key = hashlib.sha256(json.dumps([identity, sha256]).encode()).hexdigest()[:24]
    return cache / "verified" / f"{key}.json"
