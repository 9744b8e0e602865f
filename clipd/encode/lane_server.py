"""The two lanes of the encoder, answered by one model. Child only.

One thread answers. Where the model can do both at once, another one computes the slices of a batch,
and queries are answered meanwhile. Torch has one team of OpenMP threads, so that there a query
waits for the end of a slice.
"""

from __future__ import annotations

import json
import os
import select
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clipd.encode.engine import Engine, Work
from clipd.encode.model_json import from_json
from clipd.encode.wish import Wish
from clipd.errors import EncodeError, ModelError
from clipd.json_types import JsonObject
from clipd.photo import Vectors
from clipd.process.channel import Channel, Message

_MAX_BODY_BYTES = 4 << 30


class LaneServer:
    """Answers the two lanes until one of them closes."""

    def __init__(self, engine: Engine, images: Channel, queries: Channel) -> None:
        self._engine = engine
        self._images = images
        self._queries = queries
        self._slices = ThreadPoolExecutor(1, "clipd-slices")
        self._done, self._slice_is_done = os.pipe()  # a byte for each slice that is computed

    def run(self) -> None:
        """Serve; queries go first."""
        while True:
            ready, _, _ = select.select([self._queries, self._images], [], [])
            self._answer(self._queries if self._queries in ready else self._images)

    def _answer(self, lane: Channel) -> None:
        message = lane.receive(_MAX_BODY_BYTES)
        if message is None:
            # clipd has closed the lane, or died. Not sys.exit: tearing torch down takes a while
            # and gives nothing that the end of the process does not.
            os._exit(0)
        try:
            vectors = self._encoded(message, lane)
        except (EncodeError, ModelError) as error:
            lane.send({"error": str(error), **state_of(self._engine)})
            return
        header: JsonObject = {"shape": list(vectors.shape), **state_of(self._engine)}
        lane.send(header, np.ascontiguousarray(vectors).data)

    def _encoded(self, message: Message, lane: Channel) -> Vectors:
        if message.header["op"] == "texts":
            return self._engine.encode_texts(json.loads(message.body))
        shape = message.header["shape"]
        pixels = np.frombuffer(message.body, np.uint8).reshape(shape)  # type: ignore[arg-type]
        if lane is self._queries:
            return self._engine.encode_images(pixels, lambda: None)
        return self._engine.encode_images(pixels, self._answer_queries, self._answer_meanwhile)

    def _answer_queries(self) -> None:
        while select.select([self._queries], [], [], 0)[0]:
            self._answer(self._queries)

    def _answer_meanwhile(self, work: Work) -> Vectors:
        """Have a slice computed on the other thread, and answer queries until it is done."""
        slice_ = self._slices.submit(work)
        slice_.add_done_callback(lambda _: os.write(self._slice_is_done, b"."))
        waits_for: list[int | Channel] = [self._done, self._queries]
        while self._done not in select.select(waits_for, [], [])[0]:
            self._answer(self._queries)
        os.read(self._done, 1)
        return slice_.result()


def state_of(engine: Engine) -> JsonObject:
    """Return what the status tells of the engine."""
    return {
        "runtime": engine.runtime,
        "device": engine.device,
        "precision": engine.precision,
        "reason": engine.reason,
        "measured": dict(engine.measured),
    }


def load_engine(order: JsonObject) -> Engine:
    """Load the model that an order of the parent describes.

    Raises:
        EncodeError: there is no room for it.
        ModelError: it cannot be loaded.
    """
    spec, batch, threads = order["spec"], order["batch"], order.get("threads", 1)
    assert isinstance(spec, dict)
    assert isinstance(batch, int)
    assert isinstance(threads, int)
    folder = str(order.get("compiled", ""))
    wish = Wish(
        device=str(order["device"]),
        precision=str(order["precision"]),
        batch=batch,
        cache=Path(str(order["cache"])),
        threads=threads,
        compiled=Path(folder) if folder else None,
        reason=str(order.get("reason", "")),
    )
    return Engine(from_json(spec), wish)
