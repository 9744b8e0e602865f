"""The child that answers questions about models: ``python -m clipd.encode.inspect_worker FD``.

What does open_clip offer? Does this model load, and do its vectors have this length? What a
tokenizer of the transformers library consists of is fetched here too, by that library; only for
this the child keeps the network, and then it reads no weights: it is asked nothing else.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from clipd.encode.child_rights import seal_model_reader
from clipd.errors import ClipdError
from clipd.json_types import JsonObject
from clipd.process.channel import Channel, Message


def main() -> None:
    """Answer questions until nobody asks any more."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    first = message = channel.receive(0)
    if first is not None and first.header["op"] != "tokenizer":
        seal_model_reader(str(first.header["checkpoint"]), Path(str(first.header["cache"])))
    while message is not None:
        channel.send(_answer(message))
        message = channel.receive(0) if message.header["op"] != "tokenizer" else None
    os._exit(0)  # tearing torch down takes a second and gives nothing


def _answer(message: Message) -> JsonObject:
    # Not before: these libraries start threads, which would stay outside of the seals.
    from clipd.encode import inspection

    try:
        return inspection.answer(message.header)
    except ClipdError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    main()
