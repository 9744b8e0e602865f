"""The child that converts a model for this processor: ``python -m clipd.encode.convert_worker FD``.

It is asked once and answers once; pictures of the user, if int8 is to be tried, come with the
question. It reads one model, and writes into one folder.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from clipd.encode.child_rights import seal_model_reader
from clipd.encode.shortage import first_line
from clipd.errors import ChildError, ClipdError
from clipd.json_types import JsonObject
from clipd.logs import write_logs
from clipd.process.channel import Channel, Message

_MAX_BODY_BYTES = 1 << 30


def main() -> None:
    """Convert the model that the first message names."""
    write_logs()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    message = channel.receive(_MAX_BODY_BYTES)
    if message is None:
        return
    with suppress(ChildError):  # clipd is gone, or wants it no more
        channel.send(_answer(message))
    os._exit(0)  # tearing torch down takes a second and gives nothing


def _answer(message: Message) -> JsonObject:
    order = message.header
    spec, threads, folder = order["spec"], order["threads"], Path(str(order["folder"]))
    base, wanted = str(order.get("base", "")), str(order["precision"])
    assert isinstance(spec, dict)
    assert isinstance(threads, int)
    cache = Path(str(order["cache"]))
    seal_model_reader(str(spec["checkpoint"]), cache, readable=(base,), writable=(str(folder),))
    # Not before: these libraries start threads, which would stay outside of the seals.
    try:
        from clipd.encode import converter
        from clipd.encode.model_json import from_json

        model = from_json(spec)
        if base:
            sample = converter.pixels_of(message.body, model.preprocess.side)
            converter.refine(model, wanted, threads, Path(base), folder, sample)
        else:
            converter.convert(model, wanted, threads, folder)
    except ImportError as error:
        return {"error": f"OpenVINO cannot be imported: {error}"}
    except OSError as error:
        return {"error": f"cannot write into {folder}: {error.strerror}"}
    except (RuntimeError, MemoryError) as error:  # how torch and OpenVINO put all of theirs
        return {"error": f"OpenVINO failed to compile it: {first_line(error)}"}
    except ClipdError as error:
        return {"error": str(error)}
    return {"ok": True}


if __name__ == "__main__":
    main()
