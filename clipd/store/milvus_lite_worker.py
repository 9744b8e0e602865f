"""The child that is a Milvus Lite: ``python -m clipd.store.milvus_lite_worker FD``.

It is told where, says when it answers, and ends with the lane.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

from clipd.errors import ChildError, ConfigError
from clipd.logs import write_logs
from clipd.process.channel import Channel
from clipd.process.child import die_with_parent

_THREADS = 8  # that answer; one writes
_LAST_CALL_SECONDS = 1.0
_ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def main() -> None:
    """Serve until the other end of the lane is closed."""
    die_with_parent()
    write_logs()
    os.umask(0o077)  # of the socket, too: whoever may not write to it cannot connect
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    message = channel.receive(0)
    if message is None:
        return
    with suppress(ChildError):  # clipd is gone
        try:
            _serve(channel, Path(str(message.header["folder"])), str(message.header["socket"]))
        except OSError as error:
            channel.send({"error": error.strerror or str(error)})
        except (ConfigError, RuntimeError) as error:
            channel.send({"error": str(error)})


def _serve(channel: Channel, folder: Path, file: str) -> None:
    from clipd.store.milvus_link import milvus_library
    from clipd.store.milvus_lite import grpc_address

    milvus_library()
    # Of each call of pymilvus that Milvus Lite does not know, and which pymilvus does without.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    # What it cannot do is in its answer as well; here it would say so at every try, at length.
    logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)
    try:
        from milvus_lite.adapter.grpc.servicer import MilvusServicer
        from milvus_lite.db import MilvusLite
        from milvus_lite.exceptions import MilvusLiteError
    except ImportError as error:
        raise ConfigError(
            f"it is not installed ({error}); run: pip install 'clipd[milvus]'"
        ) from error
    import grpc
    from pymilvus.grpc_gen import milvus_pb2_grpc

    try:
        database = MilvusLite(str(folder))
    except MilvusLiteError as error:
        raise ConfigError(f"{error}") from error
    with closing(database):
        server = grpc.server(ThreadPoolExecutor(_THREADS), options=_ANY_SIZE)
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
        server.add_insecure_port(grpc_address(Path(file)))
        server.start()
        try:
            channel.send({"ready": True})
            channel.receive(0)
        finally:
            server.stop(_LAST_CALL_SECONDS).wait()


if __name__ == "__main__":
    main()
