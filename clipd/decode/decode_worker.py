"""A decoder: one sandboxed process that turns passed descriptors into pixels.

Started as ``python -m clipd.decode.decode_worker FD SETTINGS``. For every file:
clipd sends its format and the open file; the answer is the hash of the bytes;
clipd says whether it wants the picture; the answer is the picture, or why there is none.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import logging
import os
import socket
import sys
import warnings
from typing import BinaryIO, Final

from clipd.decode.codecs import load_codecs
from clipd.decode.picture import Picture, read_picture
from clipd.decode.raw import read_raw
from clipd.decode.reasons import picture_error
from clipd.decode.sandbox import allow_seconds, seal_decoder
from clipd.decode.settings import Settings
from clipd.errors import ChildError
from clipd.json_types import JsonObject
from clipd.process.channel import Channel
from clipd.process.child import die_with_parent
from clipd.process.seals import Sealed

_CHUNK_BYTES: Final = 1 << 20
_READ_BUFFER_BYTES: Final = 1 << 16
HASH_BYTES: Final = 16


def main(arguments: list[str]) -> None:
    """Seal this process, then decode until the channel closes."""
    die_with_parent()
    channel = Channel(socket.socket(fileno=int(arguments[0])))
    settings = Settings.from_json(arguments[1])
    load_codecs(with_raw=settings.with_raw)
    os.chdir("/")
    sealed = seal_decoder(settings.memory_bytes)
    _silence()  # the last thing that may fail, so that what fails before is heard
    gc.freeze()  # what is loaded stays: do not look through it again after every photo
    with contextlib.suppress(ChildError):  # clipd is gone, or spoke nonsense: nobody to tell
        _say_hello(channel, sealed)
        _serve(channel, settings)
    os._exit(0)  # there is nothing to tidy up, and the interpreter would want its files for it


def _say_hello(channel: Channel, sealed: Sealed) -> None:
    listener = [] if sealed.listener < 0 else [sealed.listener]
    channel.send(sealed.seals.to_json(), fds=listener)
    for fd in listener:
        os.close(fd)  # who holds it could answer its own questions


def _serve(channel: Channel, settings: Settings) -> None:
    while (job := channel.receive(0)) is not None:
        with open(job.fds[0], "rb", buffering=_READ_BUFFER_BYTES) as file:
            _answer(channel, file, str(job.header["format"]), settings)


def _answer(channel: Channel, file: BinaryIO, format_: str, settings: Settings) -> None:
    allow_seconds(settings.cpu_seconds)
    try:
        channel.send({"hash": _hash(file)})
        wanted = channel.receive(0)
        if wanted is None or not wanted.header["wanted"]:
            return
        picture = _decode(file, format_, settings)
    except ChildError:
        raise
    except Exception as error:  # per photo: anything a broken file makes a library raise
        problem = picture_error(error, format_)
        channel.send({"kind": problem.kind, "reason": str(problem)})
    else:
        channel.send(_header(picture), picture.pixels)


def _hash(file: BinaryIO) -> str:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    file.seek(0)  # the position is shared with every holder of the descriptor
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _decode(file: BinaryIO, format_: str, settings: Settings) -> Picture:
    file.seek(0)
    if format_ == "RAW":
        return read_raw(file, settings.target, settings.max_pixels)
    return read_picture(file, format_, settings.target, settings.max_pixels)


def _header(picture: Picture) -> JsonObject:
    return {
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "taken_at": picture.taken_at,
    }


def _silence() -> None:
    """Keep what libraries say about odd files out of our log: the answer says what matters."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    # libtiff and libjpeg print. Standard input is /dev/null, opened for reading only.
    for output in (1, 2):
        os.dup2(0, output)


if __name__ == "__main__":
    main(sys.argv[1:])
