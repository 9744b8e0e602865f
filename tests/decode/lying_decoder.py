"""A child that speaks the protocol of a decoder and lies: what a taken-over decoder could send."""

from __future__ import annotations

import os
import select
import socket
import struct
import sys

from clipd.decode.meta_message import meta_json
from clipd.json_types import JsonValue
from clipd.photo import Meta
from clipd.process.channel import Channel

HASH: dict[str, JsonValue] = {"hash": "00" * 16}
META = meta_json(Meta())
SIZE: dict[str, JsonValue] = {"width": 1, "height": 1, "meta": META, "format": "PNG"}
ANSWERS: dict[str, tuple[dict[str, JsonValue], dict[str, JsonValue], int]] = {
    "short pixels": (HASH, SIZE, 10),
    "too many pixels": (HASH, SIZE, 1 << 24),
    "a hash of nothing": ({"hash": "xyz"}, SIZE, 12),
    "no hash": ({}, SIZE, 12),
    "a negative width": (HASH, {**SIZE, "width": -1}, 12),
    "a time with a newline": (HASH, {**SIZE, "meta": {**META, "taken": "2019\n"}}, 12),
    "no metadata": (HASH, {**SIZE, "meta": None}, 12),
    "a bell in a tag": (HASH, {**SIZE, "meta": {**META, "tags": ["\a"]}}, 12),
    "a kind of its own": (HASH, {"kind": "funny", "reason": ""}, 0),
}

# What it answers to an order for pixels that fit into 4 x 2: the header, and the size of the body.
PIXELS: dict[str, tuple[dict[str, JsonValue], int]] = {
    "too few pixels": ({"width": 4, "height": 2}, 23),
    "more pixels than fit": ({"width": 5, "height": 2}, 24),
    "pixels beside each other": ({"width": 8, "height": 1}, 24),
    "no size": ({}, 24),
    "no pixels": ({"width": 0, "height": 0}, 0),
    "a picture of another size": ({"width": 4, "height": 2}, 1 << 24),
    "a refusal of its own": ({"kind": "funny", "reason": ""}, 0),
}


def main() -> None:
    sock = socket.socket(fileno=int(sys.argv[1]))
    channel = Channel(sock)
    if os.environ["CLIPD_TEST_LIE"] == "dribble":
        dribble(sock, channel)
        return
    lie = os.environ["CLIPD_TEST_LIE"]
    channel.send({"landlock": False, "seccomp": False, "reason": "a test"})
    channel.receive(0)
    if lie in PIXELS:
        header, size_bytes = PIXELS[lie]
        channel.send(header, bytes(size_bytes))
        channel.receive(0)
        return
    hash_, answer, size_bytes = ANSWERS[lie]
    channel.send(hash_)
    if channel.receive(0) is not None:
        channel.send(answer, bytes(size_bytes))
        channel.receive(0)


def dribble(sock: socket.socket, channel: Channel) -> None:
    """Answer a byte at a time, for ever: something arrives before any timeout of the socket."""
    channel.send({"landlock": False, "seccomp": False, "reason": "a test"})
    channel.receive(0)
    sock.sendall(struct.pack("!II", 1 << 20, 0))
    while not select.select([sock], [], [], 0.05)[0]:
        sock.sendall(b" ")


if __name__ == "__main__":
    main()
