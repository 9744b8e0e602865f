"""Fetching a model's weights from the Hugging Face hub: the one thing clipd uses a network for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from clipd.config.options import ModelConfig
from clipd.encode.download import (
    Fetched,
    NotThereError,
    OtherBytesError,
    Progress,
    UnreachableError,
    download,
)
from clipd.encode.inspector import OFFLINE, Inspector
from clipd.encode.model_json import (
    as_json,
    fingerprinted,
    read_json,
    write_json,
)
from clipd.encode.models import DESCRIPTION, HUB, choose, installed, is_on_hub, resolve, slug
from clipd.encode.pins import Pin, first_pin, known_pin, trust_bytes
from clipd.encode.presets import IN_THE_BOX, is_in_the_box
from clipd.encode.registry import Architecture, environment_of, load_offers, sided
from clipd.errors import FetchError, HubError, ModelError
from clipd.json_types import JsonValue
from clipd.photo import ModelSpec, Preprocess

_ADDRESS = "https://huggingface.co"
_CONFIG = "open_clip_config.json"
# What cannot carry code comes first.
_USUAL_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class _FetchPlan:
    """What to fetch, to where, and what it will be."""

    name: str  # as the user wrote it
    home: Path
    repository: str
    files: tuple[str, ...]  # names that the weights may have
    pin: Pin | None  # what they must be; None: nobody knows yet
    architecture: Architecture
    pretrained: str
    preprocess: Preprocess


def fetch(config: ModelConfig, folder: Path, cache: Path, progress: Progress) -> ModelSpec:
    """Fetch the weights that the configuration means, unless they are here; check that they load.

    Args:
        config: the ``[model]`` table.
        folder: where fetched weights live.
        cache: for what can be found out again.
        progress: called with the bytes that are here and the bytes in all.

    Raises:
        HubError: the hub cannot be reached, or does not have them; it names the ways out.
        FetchError: they could not be fetched for another reason.
        ModelError: there is no such model, or what came cannot be used.
    """
    if config.checkpoint is not None or is_in_the_box(config.name):
        return resolve(config, folder, cache)
    try:
        found = installed(config, folder, cache)
    except ModelError:  # damaged: that is what fetching is for
        found = None
    if found is not None:
        return found
    plan = (
        _plan_of_repository(config, folder) if is_on_hub(config) else _plan(config, folder, cache)
    )
    file, fetched = _fetch_weights(plan, progress)
    try:
        return _settle(plan, file, fetched, cache)
    except ModelError:
        file.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise FetchError(f"cannot write to {plan.home}: {error.strerror}") from error


def _fetch_weights(plan: _FetchPlan, progress: Progress) -> tuple[Path, Fetched]:
    pin = plan.pin
    if pin is None:
        return _fetch_first(plan.name, plan.repository, plan.files, plan.home, progress)
    wanted = partial(_fetch_first, plan.name, plan.repository, (pin.file,), plan.home, progress)
    try:
        return wanted(revision=pin.revision, sha256=pin.sha256)
    except OtherBytesError as error:
        where = plan.home / DESCRIPTION
        hint = f"; if you trust the new ones, remove {where} first" if where.exists() else ""
        raise FetchError(f"{error}{hint}") from error


def hub() -> str:
    """Return the address of the hub: ``HF_ENDPOINT``, or the public one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or _ADDRESS


def _plan(config: ModelConfig, folder: Path, cache: Path) -> _FetchPlan:
    offers = load_offers(cache)
    offer = choose(config, offers)
    home = folder / slug(offer.architecture, offer.pretrained)
    return _FetchPlan(
        name=config.name,
        home=home,
        repository=offer.repository,
        files=_names(offer.file) if offer.file else _USUAL_FILES,
        pin=known_pin(offer.architecture, offer.pretrained) or first_pin(home / DESCRIPTION),
        architecture=offers.architecture(offer.architecture),
        pretrained=offer.pretrained,
        preprocess=offers.preprocess(offer),
    )


def _plan_of_repository(config: ModelConfig, folder: Path) -> _FetchPlan:
    """Plan from what a repository says of itself."""
    home = folder / slug(config.name, "")
    repository = config.name.removeprefix(HUB)
    file, _ = _fetch_first(config.name, repository, [_CONFIG], home, lambda here, total: None)
    said = read_json(file) or {}
    # The architecture gets the name of the weights' file, beside which the child looks for it.
    architecture = Architecture.of(Path(_USUAL_FILES[0]).stem, said.get("model_cfg"))
    wanted = said.get("preprocess_cfg")
    preprocess = Preprocess(side=architecture.side)
    if isinstance(wanted, dict):
        preprocess = sided({**wanted, "resize": wanted.get("resize_mode")}, architecture)
    if isinstance(architecture.config, dict):
        write_json(home / f"{architecture.name}.json", architecture.config)
    pin = first_pin(home / DESCRIPTION)
    files = _USUAL_FILES[:1]
    return _FetchPlan(config.name, home, repository, files, pin, architecture, "", preprocess)


def _names(file: str) -> tuple[str, ...]:
    stem, suffix = os.path.splitext(file)
    return (stem + ".safetensors", file) if suffix in (".bin", ".pth") else (file,)


def _fetch_first(
    model: str,
    repository: str,
    files: Sequence[str],
    home: Path,
    progress: Progress,
    *,
    revision: str = "main",
    sha256: str = "",
) -> tuple[Path, Fetched]:
    """Fetch the first of the files that is there."""
    missing = ""
    for file in files:
        url = f"{hub()}/{repository}/resolve/{revision}/{quote(file)}"
        try:
            token = os.environ.get("HF_TOKEN", "")
            return home / file, download(url, home / file, progress, token=token, sha256=sha256)
        except NotThereError as error:
            missing = str(error)
        except UnreachableError as error:
            raise _hub_error(model, str(error)) from error
    raise _hub_error(model, missing)


def _settle(plan: _FetchPlan, file: Path, fetched: Fetched, cache: Path) -> ModelSpec:
    """Describe fetched weights; load them once, so that what is described works."""
    spec = ModelSpec(
        name=plan.name,
        architecture=plan.architecture.name,
        pretrained=plan.pretrained,
        checkpoint=str(file),
        dim=plan.architecture.dim,
        preprocess=plan.preprocess,
        fingerprint="",
    )
    spec = fingerprinted(spec, plan.architecture.config, fetched.sha256)
    if plan.architecture.tokenizer:
        with Inspector(cache, environment=environment_of(spec)) as fetching:
            fetching.ask({"op": "tokenizer", "spec": as_json(spec)})
    with Inspector(cache, spec.checkpoint, {**OFFLINE, **environment_of(spec)}) as checking:
        checking.ask({"op": "check", "spec": as_json(spec)})
    trust_bytes(file, fetched.sha256, cache)  # hashed a moment ago
    about: dict[str, JsonValue] = {
        "file": file.name,
        "size_bytes": fetched.size_bytes,
        "sha256": fetched.sha256,
        "source": f"{hub()}/{plan.repository}",
        "revision": fetched.revision,
    }
    write_json(plan.home / DESCRIPTION, {**as_json(replace(spec, checkpoint="")), **about})
    return spec


def _hub_error(model: str, reason: str) -> HubError:
    return HubError(
        f"cannot fetch the model {model} from {urlsplit(hub()).netloc} ({reason})",
        "set HTTPS_PROXY if this network has a proxy, or fetch the weights on another machine and "
        "set model.checkpoint to the file, or use the model in the box: "
        f"clipd model use {IN_THE_BOX}",
    )
