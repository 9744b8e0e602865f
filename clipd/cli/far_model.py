"""A model whose weights are on the machine that encodes: here, only its description is needed.

The encoder's modules bring numpy along; they are imported by the functions that need them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from clipd.config.folders import Paths
from clipd.config.options import ModelConfig
from clipd.errors import EncoderAwayError, EncoderRefusedError, FetchError, ModelMissingError
from clipd.json_types import JsonObject

if TYPE_CHECKING:
    from clipd.encode.greeting import Greeting


def get_description(wanted: ModelConfig, address: Path) -> str:
    """Have the machine that encodes describe a model; return what was done.

    While it is away, what is known here of the model does.

    Args:
        wanted: the model, by name.
        address: of the socket behind which that machine encodes.

    Raises:
        ModelError: the machine has no such model, or another one than is here; or it is away, and
            nothing is known here.
    """
    from clipd.encode.far import name_behind

    host = name_behind(address)
    try:
        told = _ask(address, host, wanted)
    except EncoderRefusedError as error:
        raise FetchError(str(error)) from error
    except EncoderAwayError as error:
        if not is_known(wanted):
            raise FetchError(
                f"{host}, which encodes, cannot be asked for {wanted.name}: {error}"
            ) from error
        return f"{wanted.name} is described here; {host} is away now: {error}"
    return keep_description(wanted, told, host)


def is_known(wanted: ModelConfig) -> bool:
    """Whether the weights of a model are here, or its description.

    Raises:
        ModelError: what is here cannot be used.
    """
    from clipd.encode.models import resolve

    paths = Paths.of()
    paths.make()
    try:
        resolve(wanted, paths.models, paths.cache, is_far=True)
    except ModelMissingError:
        return False
    return True


def described_over(
    sock: socket.socket, greeting: Greeting, host: str, wanted: ModelConfig
) -> JsonObject:
    """Have another machine describe a model.

    Args:
        sock: connected to ``clipd encoder`` there; taken over.
        greeting: what has come over it so far.
        host: what to call the machine.

    Raises:
        EncoderAwayError: it does not answer, or has another clipd, or not the model.
    """
    from clipd.encode.far import FarEncoder, describe, insist_on_version

    insist_on_version(greeting, host)
    encoder = FarEncoder(sock, greeting, host)
    try:
        return describe(encoder, wanted.name, wanted.pretrained)
    finally:
        encoder.end(at_once=False)


def keep_description(wanted: ModelConfig, told: JsonObject, host: str) -> str:
    """Keep the description of a model whose weights are not here; return where they are.

    Raises:
        ModelError: the description makes no sense, or the weights are here, and are others.
    """
    from clipd.encode.model_json import from_json
    from clipd.encode.models import keep_far_description, resolve

    paths = Paths.of()
    paths.make()
    try:
        here = resolve(wanted, paths.models, paths.cache)
    except ModelMissingError:
        keep_far_description(wanted, paths.models, told)
        return f"{wanted.name}: its weights are on {host}"
    if from_json(told).fingerprint != here.fingerprint:
        raise FetchError(
            f"{host} has {wanted.name} with other weights than this machine; fetch them anew on "
            f"both: clipd model fetch {wanted.name}"
        )
    return f"{wanted.name}: its weights are on {host}, and here"


def _ask(address: Path, host: str, wanted: ModelConfig) -> JsonObject:
    from clipd.encode.far import connect

    with socket.socket(socket.AF_UNIX) as sock:
        return described_over(sock, connect(sock, address, lambda: True), host, wanted)
