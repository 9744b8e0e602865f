"""A far encoder that greets as one, and then does what none should. By the word it is given.

``slow``: it prepares for ever, and says so. ``twice``: it answers each question twice.
``stalls``: it begins to answer the first order, and is alive without ever going on.
``lies``: it says of itself what no JSON may hold.
"""

from __future__ import annotations

import os
import sys
import threading

import numpy as np

from clipd import __version__
from clipd.encode.greeting import greeting_line
from clipd.encode.mux import IMAGES, QUERIES, Mux
from clipd.json_types import JsonObject


def main() -> None:
    """Greet, and misbehave until the stream ends."""
    os.write(1, greeting_line(__version__))
    mux = Mux(os.dup(0), os.dup(1), most_silence=60)
    first, queries = mux.lanes[IMAGES], mux.lanes[QUERIES]
    first.receive(0)
    how, dim = sys.argv[1], int(sys.argv[2])
    if how == "slow":
        mux.tells = lambda: "preparing the model"
        mux.join()
    elif how == "stalls":
        os.write(first.fileno(), b"\0\0\0\x40\0\0\0\0{")
        mux.join()
    measured: JsonObject = {"fp32": {"seconds": float("nan"), "cosine": 1}, "odd": 7}
    first.send({"ready": True, "device": "x" * 10_000, "measured": measured})
    vector = np.zeros((1, dim), np.float32)
    vector[0, 0] = 1
    while (message := queries.receive(1 << 20)) is not None:
        for _ in range(2 if how == "twice" else 1):
            queries.send(
                {"turn": message.header["turn"], "shape": [1, dim], "measured": measured},
                vector.data,
            )


if __name__ == "__main__":
    threading.excepthook = lambda _: None
    main()
