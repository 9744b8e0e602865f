"""The child that answers one question about models: ``python -m clipd.encode.inspect_worker FD``.

What does open_clip offer? Does this model load, and do its vectors have this length?
"""

from __future__ import annotations

import os
import socket
import sys

import numpy as np

from clipd.encode import openclip
from clipd.encode.model_json import from_json
from clipd.encode.precision import probe_pictures
from clipd.errors import ClipdError, ModelError
from clipd.json_types import JsonValue
from clipd.process.channel import Channel


def main() -> None:
    """Answer one question."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    message = channel.receive(0)
    if message is None:
        return
    try:
        answer = openclip.offers() if message.header["op"] == "offers" else _check(message.header)
    except ClipdError as error:
        answer = {"error": str(error)}
    channel.send(answer)
    os._exit(0)  # tearing torch down takes a second and gives nothing


def _check(question: dict[str, JsonValue]) -> dict[str, JsonValue]:
    data = question["spec"]
    assert isinstance(data, dict)
    spec = from_json(data)
    model = openclip.load(spec, "cpu")
    for vectors in (
        model.images(probe_pictures(spec.preprocess.side)[:1]),
        model.texts(["a photo of a cat"]),
    ):
        if vectors.shape != (1, spec.dim):
            raise ModelError(
                f"{spec.checkpoint} makes vectors of {vectors.shape[1]} numbers, "
                f"but {spec.architecture} should make {spec.dim}"
            )
        if np.isnan(vectors).any():
            raise ModelError(
                f"{spec.checkpoint} makes vectors that are zero or not finite: "
                "it is damaged; get it anew"
            )
    return {"ok": True}


if __name__ == "__main__":
    main()
