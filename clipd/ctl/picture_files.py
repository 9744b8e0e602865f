"""Searches by the bytes of pictures, which clipd cannot open by itself."""

from __future__ import annotations

import base64
import os
import stat
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, BinaryIO, cast

from clipd.ctl.client import Client
from clipd.ctl.last_list import chosen_photos
from clipd.errors import RequestError
from clipd.json_types import JsonObject
from clipd.pathtext import shown

STANDARD_INPUT = b"-"
_PIECE_BYTES = 1 << 20
_MOST_BYTES = 1 << 30  # of a picture that comes without end


def picture_terms(word: bytes) -> list[JsonObject]:
    """Return the bytes of pictures as terms of a search.

    Args:
        word: a path, numbers of the last list, or ``-`` for standard input.

    Raises:
        RequestError: one cannot be read.
    """
    with ExitStack() as opened:
        return [_term(opened.enter_context(file)) for file in _files(word)]


def search_by_files(client: Client, pictures: Sequence[bytes], limits: JsonObject) -> JsonObject:
    """Ask with the bytes of pictures.

    Args:
        pictures: paths, numbers of the last list, or ``-`` for standard input.

    Raises:
        RequestError: one cannot be read, or clipd refuses it.
    """
    with ExitStack() as opened:
        files = [opened.enter_context(file) for word in pictures for file in _files(word)]
        if len(files) == 1:
            return client.upload("/v1/search", files[0], limits)
        asked: JsonObject = {"terms": [_term(file) for file in files]}
        return client.post("/v1/search", asked | limits)


def _files(word: bytes) -> list[BinaryIO]:
    if word == STANDARD_INPUT:
        return [_standard_input()]
    return [_opened(photo.path) for photo in chosen_photos([word])]


def _opened(path: bytes) -> BinaryIO:
    try:
        file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  the caller closes it
    except OSError as error:
        message = f"cannot read {shown(path)}: {error.strerror}"
        raise RequestError("unreadable", message, 422) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RequestError("unreadable", f"{shown(path)} is not a file", 422)
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # nobody may ever write to a pipe


def _standard_input() -> BinaryIO:
    """Return what comes in as a file that can be read twice and has a size."""
    if sys.stdin is None or sys.stdin.isatty():
        raise RequestError(
            "unreadable", "- stands for a picture on standard input, and there is none"
        )
    kept: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    size = 0
    while piece := sys.stdin.buffer.read(_PIECE_BYTES):
        size += len(piece)
        if size > _MOST_BYTES:
            kept.close()
            raise RequestError("unreadable", "what comes on standard input has no end")
        kept.write(piece)
    kept.flush()
    kept.seek(0)
    if not size:
        kept.close()
        raise RequestError("unreadable", "nothing came on standard input; pipe a picture into it")
    return cast(BinaryIO, kept)


def _term(file: BinaryIO) -> JsonObject:
    return {"picture_b64": base64.b64encode(file.read()).decode("ascii")}
