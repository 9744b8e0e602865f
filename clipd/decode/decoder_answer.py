"""What a decoder answered, checked before it is believed: a file may have taken it over.

Each function raises `ChildError` for what no decoder in its right mind sends.
"""

from __future__ import annotations

import re
from typing import Final, get_args

import numpy as np

from clipd.decode.meta_message import checked_meta
from clipd.decode.opening import OpenPhoto
from clipd.decode.settings import Target
from clipd.errors import ChildError, PictureError
from clipd.json_types import JsonObject, JsonValue
from clipd.photo import Decoded, Drawn, FailureKind, Fingerprint, Fitted, Headers
from clipd.process.channel import Message

_JPEG_START: Final = b"\xff\xd8\xff"
_HASH_HEX: Final = re.compile(r"[0-9a-f]{32}")


def hash_in(answer: Message) -> bytes:
    """Return the hash of a file's content."""
    value = answer.header.get("hash")
    if not isinstance(value, str) or not _HASH_HEX.fullmatch(value):
        raise ChildError("a decoder sent a hash that is none")
    return bytes.fromhex(value)


def decoded_in(answer: Message, content_hash: bytes, photo: OpenPhoto, target: Target) -> Decoded:
    """Return the picture of a file, as the model wants it."""
    if len(answer.body) != target.size_bytes:
        raise ChildError("a decoder sent pixels of the wrong size")
    meta = checked_meta(answer.header.get("meta"))
    pixels = np.frombuffer(answer.body, np.uint8).reshape(target.side, target.side, 3)
    width, height = _size(answer)
    return Decoded(
        content_hash,
        photo.fingerprint,
        width,
        height,
        photo.format,
        meta,
        pixels,
        _beside(photo),
    )


def headers_in(answer: Message, photo: OpenPhoto) -> Headers:
    """Return what a file says of itself."""
    return Headers(photo.fingerprint, checked_meta(answer.header.get("meta")), _beside(photo))


def drawn_in(answer: Message, photo: OpenPhoto, side: int) -> Drawn:
    """Return a thumbnail whose longer side has at most ``side`` pixels."""
    width, height = _size(answer)
    if max(width, height) > side or not answer.body.startswith(_JPEG_START):
        raise ChildError("a decoder sent a thumbnail that is none")
    return Drawn(photo.fingerprint, width, height, bytes(answer.body))


def fitted_in(answer: Message, photo: OpenPhoto, box: tuple[int, int]) -> Fitted:
    """Return pixels that fit into a box."""
    width, height = _size(answer)
    is_within = width <= box[0] and height <= box[1]
    if not is_within or len(answer.body) != 3 * width * height:
        raise ChildError("a decoder sent pixels of the wrong size")
    return Fitted(photo.fingerprint, width, height, bytes(answer.body))


def refusal_in(header: JsonObject) -> PictureError:
    """Return why there is no picture."""
    kind, reason = header["kind"], header.get("reason")
    for known in get_args(FailureKind):
        if kind == known:
            return PictureError(known, str(reason)[:400])
    raise ChildError("a decoder sent a kind of failure that is none")


def _size(answer: Message) -> tuple[int, int]:
    return _edge(answer.header.get("width")), _edge(answer.header.get("height"))


def _edge(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 31:
        raise ChildError("a decoder sent a size that is none")
    return value


def _beside(photo: OpenPhoto) -> Fingerprint | None:
    return None if photo.sidecar is None else photo.sidecar.fingerprint
