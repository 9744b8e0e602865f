"""A file of weights that the user brought, described: what it is, and whether it is that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from clipd.config.options import ModelConfig
from clipd.encode.inspector import Inspector
from clipd.encode.model_json import (
    as_json,
    fingerprinted,
    from_json,
    read_json,
    remember,
    sha256_of,
)
from clipd.encode.presets import IN_THE_BOX
from clipd.encode.registry import Architecture, Offers, load_offers
from clipd.errors import ModelError, ModelMissingError
from clipd.photo import ModelSpec, Preprocess


def describe_checkpoint(
    checkpoint: Path, config: ModelConfig, meant: tuple[str, str], cache: Path
) -> ModelSpec:
    """Describe a checkpoint of the user's; loaded once to see that it is what it should be.

    Args:
        checkpoint: the file.
        config: the ``[model]`` table.
        meant: the architecture and the tag of weights that it means.
        cache: for what can be found out again.

    Raises:
        ModelMissingError: the file is not there, or cannot be read.
        WrongModelError: it is no such model.
        ModelError: open_clip cannot be asked.
    """
    try:
        is_there, stat = checkpoint.is_file(), checkpoint.stat()
    except FileNotFoundError:
        is_there = False
    except OSError as error:
        raise ModelMissingError(
            f"model.checkpoint is {checkpoint}, which cannot be read: {error.strerror}"
        ) from error
    if not is_there:
        raise ModelMissingError(
            f"model.checkpoint is {checkpoint}, but there is no such file: put it there, or use "
            f"the model in the box: clipd model use {IN_THE_BOX}"
        )
    identity = [str(checkpoint), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    beside = read_json(checkpoint.with_suffix(".json"))
    key = json.dumps([identity, config.name, config.pretrained, beside], sort_keys=True)
    file = cache / "checkpoints" / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    if known := read_json(file):
        return from_json(known)
    with Inspector(cache, str(checkpoint)) as inspector, _hashing(checkpoint) as sha256:
        if beside and "vision_cfg" in beside:
            architecture = Architecture.of(checkpoint.stem, beside)
            spec = described(config.name, architecture, "", checkpoint)
        else:
            offers = load_offers(cache, inspector)
            spec, architecture = _of_known_architecture(config.name, meant, checkpoint, offers)
        inspector.ask({"op": "check", "spec": as_json(spec)})
        spec = fingerprinted(spec, architecture.config, sha256())
    remember(file, as_json(spec))
    return spec


@contextmanager
def _hashing(checkpoint: Path) -> Iterator[Callable[[], str]]:
    """Hash weights beside other work for the length of the block; give what waits for the hash.

    It takes a second, in which the child that is asked meanwhile imports its libraries.
    """
    with ThreadPoolExecutor(1, "clipd-hash") as thread:
        digest = thread.submit(sha256_of, checkpoint)

        def answer() -> str:
            try:
                return digest.result()
            except OSError as error:
                raise unreadable(checkpoint, error) from error

        yield answer


def unreadable(weights: Path, error: OSError) -> ModelError:
    """Say that weights cannot be read."""
    return ModelError(f"cannot read the weights {weights}: {error.strerror}")


def _of_known_architecture(
    called: str, meant: tuple[str, str], checkpoint: Path, offers: Offers
) -> tuple[ModelSpec, Architecture]:
    name, pretrained = meant
    offer = offers.get(name, pretrained)
    if offer is None:
        architecture = offers.architecture(name)
        return described(called, architecture, "", checkpoint), architecture
    architecture = offers.architecture(offer.architecture)
    preprocess = offers.preprocess(offer)
    spec = described(called, architecture, offer.pretrained, checkpoint, preprocess)
    return spec, architecture


def described(
    name: str,
    architecture: Architecture,
    pretrained: str,
    checkpoint: Path,
    preprocess: Preprocess | None = None,
) -> ModelSpec:
    """Return a model without its fingerprint.

    Args:
        name: as the user calls it.
        architecture: its shape.
        pretrained: the tag of its weights, "" where they have none.
        checkpoint: the file of its weights.
        preprocess: how it wants its pictures; None for as CLIP does.
    """
    return ModelSpec(
        name=name,
        architecture=architecture.name,
        pretrained=pretrained,
        checkpoint=str(checkpoint),
        dim=architecture.dim,
        preprocess=preprocess or Preprocess(side=architecture.side),
        fingerprint="",
    )
