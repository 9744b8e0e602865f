"""The child that holds the model: ``python -m clipd.encode.encode_worker IMAGES_FD QUERIES_FD``.

One thread does everything, so that torch has one team of OpenMP threads and a query never
fights a batch for the cores: between two slices of a batch it looks at the queries' lane.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from clipd.encode.engine import Engine, EngineOptions
from clipd.encode.model_json import from_json
from clipd.errors import ChildError, ClipdError, EncodeError, ModelError
from clipd.json_types import JsonValue
from clipd.logs import write_logs
from clipd.photo import Vectors
from clipd.process.channel import Channel, Message

MAX_BODY_BYTES = 4 << 30


class Worker:
    """Answers the two lanes until one of them closes."""

    def __init__(self, engine: Engine, images: Channel, queries: Channel) -> None:
        self._engine = engine
        self._images = images
        self._queries = queries

    def run(self) -> None:
        """Serve; queries go first."""
        while True:
            ready, _, _ = select.select([self._queries, self._images], [], [])
            self._answer(self._queries if self._queries in ready else self._images)

    def _answer(self, lane: Channel) -> None:
        message = lane.receive(MAX_BODY_BYTES)
        if message is None:
            # clipd has closed the lane, or died. Not sys.exit: tearing torch down takes a while
            # and gives nothing that the end of the process does not.
            os._exit(0)
        try:
            vectors = self._encoded(message, lane)
        except (EncodeError, ModelError) as error:
            lane.send({"error": str(error), **state_of(self._engine)})
            return
        header: dict[str, JsonValue] = {"shape": list(vectors.shape), **state_of(self._engine)}
        lane.send(header, np.ascontiguousarray(vectors).data)

    def _encoded(self, message: Message, lane: Channel) -> Vectors:
        if message.header["op"] == "texts":
            return self._engine.encode_texts(json.loads(message.body))
        shape = message.header["shape"]
        pixels = np.frombuffer(message.body, np.uint8).reshape(shape)  # type: ignore[arg-type]
        between = self._answer_queries if lane is self._images else lambda: None
        return self._engine.encode_images(pixels, between)

    def _answer_queries(self) -> None:
        while select.select([self._queries], [], [], 0)[0]:
            self._answer(self._queries)


def state_of(engine: Engine) -> dict[str, JsonValue]:
    """Return what the status tells of the engine."""
    return {"device": engine.device, "precision": engine.precision, "reason": engine.reason}


def main() -> None:
    """Load the model that the first message names; say so; serve."""
    write_logs()
    images, queries = (Channel(socket.socket(fileno=int(fd))) for fd in sys.argv[1:3])
    with suppress(ChildError):  # clipd is gone, or does not want this encoder any more
        _serve(images, queries)


def _serve(images: Channel, queries: Channel) -> None:
    order = images.receive(MAX_BODY_BYTES)
    if order is None:
        return
    try:
        engine = _engine(order.header)
    except ClipdError as error:
        images.send({"error": str(error)})
        return
    images.send({"ready": True, **state_of(engine)})
    Worker(engine, images, queries).run()


def _engine(order: dict[str, JsonValue]) -> Engine:
    spec, batch = order["spec"], order["batch"]
    assert isinstance(spec, dict)
    assert isinstance(batch, int)
    options = EngineOptions(
        str(order["device"]), str(order["precision"]), batch, Path(str(order["cache"]))
    )
    return Engine(from_json(spec), options)


if __name__ == "__main__":
    main()
