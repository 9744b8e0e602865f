"""The end of a far encoder that has the model: ``clipd encoder``, spoken to over its streams.

It holds no model itself, but an `Encoder` of its own, whose child is sealed as everywhere.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np

from clipd import __version__
from clipd.config.folders import Paths
from clipd.config.load import load_config
from clipd.config.options import Config, ModelConfig
from clipd.encode.handle import Encoder
from clipd.encode.model_json import as_json
from clipd.encode.models import resolve
from clipd.encode.mux import IMAGES, QUERIES, Mux
from clipd.errors import ChildError, ClipdError, EncodeError, EncoderDiedError, ModelError
from clipd.json_types import JsonObject
from clipd.logs import write_logs
from clipd.photo import ModelSpec, Vectors
from clipd.process.channel import Channel, Message
from clipd.process.seals import Seals

log = logging.getLogger(__name__)

_MOST_SILENCE_SECONDS = 60.0  # of the one who asks: its machine is gone, or the network is
_MOST_BODY_BYTES = 1 << 30
_PARTING_SECONDS = 10.0  # for a refusal to be read
_GRACE_SECONDS = 1.0


def serve(config_file: Path | None) -> None:
    """Learn from the first order what is wanted, and encode until the stream ends.

    To be called when the greeting is out, which does not wait for what is imported here.
    """
    lanes_out = os.dup(1)
    with open(os.devnull, "rb") as nothing:
        lanes_in = os.dup(0)
        os.dup2(nothing.fileno(), 0)
    words = _divert_output()
    mux = Mux(lanes_in, lanes_out, most_silence=_MOST_SILENCE_SECONDS)
    reader = threading.Thread(target=_pass_words_on, args=(words, mux), daemon=True)
    reader.start()
    write_logs()
    try:
        _serve(mux, config_file)
    except (ChildError, OSError) as error:  # whoever asked is gone
        log.debug("%s", error)
    finally:
        mux.close()


def _divert_output() -> int:
    """Have all that this process and its children print come out of the pipe that is returned."""
    reading, writing = os.pipe()
    for printed in (1, 2):
        os.dup2(writing, printed)
    os.close(writing)
    return reading


def _pass_words_on(words: int, mux: Mux) -> None:
    with open(words, errors="replace") as lines:
        for line in lines:
            mux.say(line.rstrip())


def _serve(mux: Mux, config_file: Path | None) -> None:
    first = mux.lanes[IMAGES]
    message = first.receive(0)
    if message is None:
        return
    try:
        config = _config(config_file)
        spec = _wanted_model(message.header, config)
        if message.header.get("op") == "describe":
            first.send({"spec": as_json(spec)})
            _wait_for_parting(first)
            return
        # Its own socket may lead to yet another machine, or back to here and so on without end.
        by_itself = replace(config.encoder, socket=None)
        with Encoder(spec, by_itself, Paths.of().cache) as encoder:
            mux.tells = lambda: _start_of(encoder)
            encoder.wake()
            first.send({"ready": True, **_state_of(encoder), "seals": _seals_of(encoder)})
            _answer_both(mux, encoder)
    except ClipdError as error:
        first.send({"error": str(error)})
        _wait_for_parting(first)


def _config(config_file: Path | None) -> Config:
    """Return the configuration of this machine, which need not have one."""
    file = config_file or Paths.of().config
    is_there = config_file or file.exists()
    return load_config(file, needs_roots=False) if is_there else Config()


def _wanted_model(order: JsonObject, config: Config) -> ModelSpec:
    """Find the model here that an order names.

    Raises:
        EncodeError: the order comes from another clipd, or the model here is another one, or none.
    """
    theirs, name = str(order.get("version")), str(order.get("name"))
    if theirs != __version__:
        raise EncodeError(f"clipd {__version__} is here, and asked by clipd {theirs}")
    paths = Paths.of()
    paths.make()
    wanted = ModelConfig(name=name, pretrained=str(order.get("pretrained")))
    spec, fingerprint = _found(wanted, paths), str(order.get("fingerprint", ""))
    if spec is not None and fingerprint in ("", spec.fingerprint):
        return spec
    # A file of the user's may go by a name that this machine does not know.
    configured = _found(config.model, paths) if fingerprint else None
    if configured is not None and configured.fingerprint == fingerprint:
        return configured
    if spec is None:
        raise EncodeError(
            f"it has no weights of {name}; run this there: clipd model fetch {shlex.quote(name)}"
        )
    raise EncodeError(
        f"it has {name} with other weights or another preprocessing ({spec.fingerprint[:8]}, not "
        f"{fingerprint[:8]}); have it described again: clipd setup --encoder HOST"
    )


def _found(model: ModelConfig, paths: Paths) -> ModelSpec | None:
    try:
        return resolve(model, paths.models, paths.cache)
    except ModelError as error:
        log.info("%s", error)
        return None


def _answer_both(mux: Mux, encoder: Encoder) -> None:
    """Answer both lanes until the stream ends."""
    threads = [
        threading.Thread(
            target=_answer, args=(mux.lanes[lane], encoder, lane), name=f"clipd-far-{name}"
        )
        for lane, name in ((IMAGES, "images"), (QUERIES, "queries"))
    ]
    for thread in threads:
        thread.start()
    mux.join()
    encoder.close(_GRACE_SECONDS)
    for thread in threads:
        thread.join()


def _answer(channel: Channel, encoder: Encoder, lane: int) -> None:
    """Answer one lane. Whatever is wrong with a message ends the stream, not this process alone."""
    try:
        while (message := channel.receive(_MOST_BODY_BYTES)) is not None:
            turn: JsonObject = {"turn": message.header.get("turn")}
            try:
                vectors = _encoded(message, encoder, lane)
            except EncoderDiedError as error:
                refusal: JsonObject = {"error": str(error), "died": error.kind}
                channel.send({**turn, **refusal, **_state_of(encoder)})
            except ClipdError as error:
                channel.send({**turn, "error": str(error), **_state_of(encoder)})
            else:
                header: JsonObject = {**turn, "shape": list(vectors.shape), **_state_of(encoder)}
                channel.send(header, np.ascontiguousarray(vectors).data)
    except (ChildError, OSError) as error:
        log.debug("%s", error)
    finally:
        channel.shut()


def _encoded(message: Message, encoder: Encoder, lane: int) -> Vectors:
    try:
        if message.header.get("op") == "texts":
            return encoder.encode_texts([str(each) for each in json.loads(message.body)])
        shape = message.header["shape"]
        pixels = np.frombuffer(message.body, np.uint8).reshape(shape)  # type: ignore[arg-type]
        return (encoder.encode_images if lane == IMAGES else encoder.encode_query_image)(pixels)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"an order that no clipd gives: {error}") from error


def _start_of(encoder: Encoder) -> str:
    """Return what a start is at; "" while there is none."""
    now = encoder.status()
    return (now.doing or "loading the model") if now.state == "starting" else ""


def _state_of(encoder: Encoder) -> JsonObject:
    now = encoder.status()
    return {
        "runtime": now.runtime,
        "device": now.device,
        "precision": now.precision,
        "reason": now.reason,
        "measured": now.measured,
    }


def _seals_of(encoder: Encoder) -> JsonObject:
    seals: Seals | None = encoder.status().seals
    return seals.to_json() if seals else {}


def _wait_for_parting(channel: Channel) -> None:
    """Stay until the other end has read the last answer, and closes."""
    channel.set_timeout(_PARTING_SECONDS)
    channel.receive(0)
