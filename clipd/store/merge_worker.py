"""The child that builds a new base of the index: ``python -m clipd.store.merge_worker FD``.

It is asked once and answers once. It reads the catalog, and writes one snapshot.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import cast

from clipd.config.options import IndexConfig
from clipd.errors import ChildError, ClipdError
from clipd.json_types import JsonObject
from clipd.logs import write_logs
from clipd.process.channel import Channel, Message
from clipd.process.child import die_with_parent

_THREADS = 2  # of FAISS, while it learns lists


def main() -> None:
    """Build the base that the first message describes."""
    die_with_parent()
    write_logs()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    message = channel.receive(0)
    if message is None:
        return
    with suppress(ChildError):  # clipd is gone, or wants it no more
        channel.send(_answer(message))


def _answer(message: Message) -> JsonObject:
    # Not before: the imports take a while, and clipd may be gone already.
    from clipd.store.index_builder import build
    from clipd.store.index_faiss import faiss_library
    from clipd.store.reader import CatalogReader
    from clipd.store.snapshot import SnapshotFolder, identity_from

    order = message.header
    faiss_library().omp_set_num_threads(min(_THREADS, os.cpu_count() or 1))
    identity = identity_from(order["identity"])
    config = IndexConfig(**cast(JsonObject, order["config"]))  # type: ignore[arg-type]
    model = order["model"]
    assert isinstance(model, int)
    snapshots = SnapshotFolder(Path(str(order["folder"])), identity)
    try:
        with closing(CatalogReader(Path(str(order["file"])))) as reader:
            built = build(reader, model, identity.dim, config, snapshots.before())
        snapshots.check(snapshots.save(built))  # what the disk gives back is what was written
    except (ClipdError, MemoryError) as error:
        return {"error": str(error) or "there is not enough memory"}
    return {"generation": built.generation}


if __name__ == "__main__":
    main()
