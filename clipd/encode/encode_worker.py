"""The child that holds the model: ``python -m clipd.encode.encode_worker IMAGES_FD QUERIES_FD``.

It seals itself before it imports anything heavy; what it does then is in `lane_server`.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from pathlib import Path

from clipd.encode.child_rights import seal_model_reader
from clipd.encode.gpu import has_gpu_driver
from clipd.errors import ChildError, ClipdError
from clipd.logs import write_logs
from clipd.process.channel import Channel


def main() -> None:
    """Load the model that the first message names; say so; serve."""
    write_logs()
    images, queries = (Channel(socket.socket(fileno=int(fd))) for fd in sys.argv[1:3])
    with suppress(ChildError):  # clipd is gone, or does not want this encoder any more
        _serve(images, queries)


def _serve(images: Channel, queries: Channel) -> None:
    message = images.receive(0)
    if message is None:
        return
    order = message.header
    spec = order["spec"]
    assert isinstance(spec, dict)
    cache, compiled = Path(str(order["cache"])), str(order.get("compiled", ""))
    with_cuda = not compiled and order["device"] != "cpu" and has_gpu_driver()
    seals = seal_model_reader(
        str(spec["checkpoint"]), cache, readable=(compiled,), with_cuda=with_cuda
    )
    # Not before: these libraries start threads, which would stay outside of the seals.
    from clipd.encode.lane_server import LaneServer, load_engine, state_of

    try:
        engine = load_engine(order)
    except ClipdError as error:
        images.send({"error": str(error)})
        return
    images.send({"ready": True, "seals": seals.to_json(), **state_of(engine)})
    LaneServer(engine, images, queries).run()


if __name__ == "__main__":
    main()
