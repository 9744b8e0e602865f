"""A lane server whose slices are held back until a text has been encoded meanwhile.

Run as ``python -m tests.encode.held_server IMAGES_FD QUERIES_FD``; the first message is the order.
It prints a line when a batch has come, and one when a slice need not wait any longer.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Sequence

from clipd.encode import lane_server
from clipd.encode.engine import Engine, Work, call
from clipd.photo import Pixels, Vectors
from clipd.process.channel import Channel


class HeldEngine(Engine):
    """Computes a slice when a text has been encoded, or half a minute is over."""

    _has_text = threading.Event()

    def encode_images(
        self,
        pixels: Pixels,
        between: Callable[[], None],
        beside: Callable[[Work], Vectors] = call,
    ) -> Vectors:
        """See `Engine.encode_images`."""

        def held(work: Work) -> Vectors:
            print("text meanwhile" if self._has_text.wait(30) else "no text", flush=True)
            return work()

        print("batch", flush=True)
        return super().encode_images(pixels, between, lambda work: beside(lambda: held(work)))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """See `Engine.encode_texts`."""
        vectors = super().encode_texts(texts)
        self._has_text.set()
        return vectors


if __name__ == "__main__":
    images, queries = (Channel(socket.socket(fileno=int(fd))) for fd in sys.argv[1:])
    order = images.receive(0)
    assert order is not None
    vars(lane_server)["Engine"] = HeldEngine
    engine = lane_server.load_engine(order.header)
    images.send({"runtime": engine.runtime})
    lane_server.LaneServer(engine, images, queries).run()
