"""The child that answers one question about models: ``python -m clipd.encode.inspect_worker FD``.

What does open_clip offer? Does this model load, and do its vectors have this length? What a
tokenizer of the transformers library consists of is fetched here too, by that library; only for
this the child keeps the network, and then it reads no weights.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from clipd.encode.child_rights import seal_model_reader
from clipd.errors import ClipdError
from clipd.json_types import JsonObject
from clipd.process.channel import Channel


def main() -> None:
    """Answer one question."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    message = channel.receive(0)
    if message is None:
        return
    spec = message.header.get("spec")
    if message.header["op"] != "tokenizer":
        checkpoint = str(spec["checkpoint"]) if isinstance(spec, dict) else ""
        seal_model_reader(checkpoint, Path(str(message.header["cache"])))
    # Not before: these libraries start threads, which would stay outside of the seals.
    from clipd.encode import inspection

    try:
        answer: JsonObject = inspection.answer(message.header)
    except ClipdError as error:
        answer = {"error": str(error)}
    channel.send(answer)
    os._exit(0)  # tearing torch down takes a second and gives nothing


if __name__ == "__main__":
    main()
