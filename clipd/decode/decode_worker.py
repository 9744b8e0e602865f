"""A decoder: one sandboxed process that turns passed descriptors into pixels.

Started as ``python -m clipd.decode.decode_worker FD SETTINGS``. For every file:
clipd sends its format and the open file, and the XMP file beside it where there is one. The answer
is the hash of the bytes; clipd says whether it wants the picture; the answer is the picture with
its metadata, or why there is none. Where only headers are wanted, the answer is the metadata; where
a thumbnail is, or pixels that fit into a box, those.
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
from dataclasses import dataclass
from typing import BinaryIO, Final

from clipd.decode.codecs import load_codecs
from clipd.decode.meta_message import meta_json
from clipd.decode.picture import Picture, read_headers, read_picture
from clipd.decode.raw import read_raw, read_raw_headers
from clipd.decode.reasons import picture_error
from clipd.decode.sandbox import allow_seconds, seal_decoder
from clipd.decode.settings import Claim, Settings
from clipd.decode.sidecar import MOST_SIDECAR_BYTES
from clipd.decode.thumbnail import draw_thumbnail, fit_pixels, redraw_thumbnail
from clipd.errors import ChildError
from clipd.json_types import JsonObject
from clipd.photo import Meta
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
            allow_seconds(settings.cpu_seconds)
            photo = _Photo(file, str(job.header["format"]), _sidecar(job.fds[1:]))
            if box := _box(job.header):
                _draw(channel, photo, box, settings, job.header)
            elif job.header["headers_only"]:
                _tell_headers(channel, photo, settings)
            else:
                _answer(channel, photo, settings)


@dataclass(frozen=True, slots=True)
class _Photo:
    """What came with one message."""

    file: BinaryIO
    format: str
    sidecar: bytes  # the content of the file beside it


def _sidecar(fds: tuple[int, ...]) -> bytes:
    if not fds:
        return b""
    with open(fds[0], "rb") as file, contextlib.suppress(OSError):
        file.seek(0)
        return file.read(MOST_SIDECAR_BYTES + 1)
    return b""


def _tell_headers(channel: Channel, photo: _Photo, settings: Settings) -> None:
    meta = Meta()
    # What is damaged says nothing of itself; that it is damaged is told by who decodes it.
    with contextlib.suppress(Exception):
        photo.file.seek(0)
        read = read_raw_headers if photo.format == "RAW" else read_headers
        meta = read(photo.file, photo.format, photo.sidecar, settings.max_pixels)
    channel.send({"meta": meta_json(meta)})


def _box(header: JsonObject) -> tuple[int, int] | None:
    box = header["box"]
    return (int(str(box[0])), int(str(box[1]))) if isinstance(box, list) else None


def _draw(
    channel: Channel, photo: _Photo, box: tuple[int, int], settings: Settings, header: JsonObject
) -> None:
    try:
        photo.file.seek(0)
        if (claim := Claim.from_json(header["claim"])) is not None:
            drawn = redraw_thumbnail(photo.file, claim, max(box))
        elif header["as_jpeg"]:
            drawn = draw_thumbnail(photo.file, photo.format, max(box), settings.max_pixels)
        else:
            drawn = fit_pixels(photo.file, photo.format, box, settings.max_pixels)
    except Exception as error:  # as in _answer
        _refuse(channel, error, photo.format)
    else:
        channel.send({"width": drawn.width, "height": drawn.height}, drawn.content)


def _answer(channel: Channel, photo: _Photo, settings: Settings) -> None:
    file, format_ = photo.file, photo.format
    try:
        channel.send({"hash": _hash(file)})
        wanted = channel.receive(0)
        if wanted is None or not wanted.header["wanted"]:
            return
        picture = _decode(photo, settings)
    except ChildError:
        raise
    except Exception as error:  # per photo: anything a broken file makes a library raise
        _refuse(channel, error, format_)
    else:
        channel.send(_header(picture), picture.pixels)


def _refuse(channel: Channel, error: Exception, format_: str) -> None:
    problem = picture_error(error, format_)
    channel.send({"kind": problem.kind, "reason": str(problem)})


def _hash(file: BinaryIO) -> str:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    file.seek(0)  # the position is shared with every holder of the descriptor
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _decode(photo: _Photo, settings: Settings) -> Picture:
    photo.file.seek(0)
    target, max_pixels = settings.target, settings.max_pixels
    if photo.format == "RAW":
        return read_raw(photo.file, target, max_pixels, photo.sidecar)
    return read_picture(photo.file, photo.format, target, max_pixels, sidecar=photo.sidecar)


def _header(picture: Picture) -> JsonObject:
    return {
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "meta": meta_json(picture.meta),
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
