"""Nothing is believed that a decoder in its right mind would not send."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clipd.decode.decoder_answer import (
    decoded_in,
    drawn_in,
    fitted_in,
    hash_in,
    headers_in,
    refusal_in,
)
from clipd.decode.meta_message import meta_json
from clipd.decode.opening import OpenPhoto
from clipd.decode.settings import Target
from clipd.errors import ChildError
from clipd.json_types import JsonObject, JsonValue
from clipd.photo import Fingerprint, Meta
from clipd.process.channel import Message

PHOTO = OpenPhoto(-1, Fingerprint(1, 2, 3, 4, 5), "PNG")
HASH = b"\x01" * 16
SIZE: JsonObject = {"width": 40, "height": 30, "meta": meta_json(Meta(camera="Canon"))}
JPEG = b"\xff\xd8\xff and so on"


def test_what_is_in_order_is_taken() -> None:
    assert hash_in(Message({"hash": HASH.hex()})) == HASH
    assert headers_in(Message(SIZE), PHOTO).meta == Meta(camera="Canon")
    drawn = drawn_in(Message(SIZE, bytearray(JPEG)), PHOTO, 40)
    assert (drawn.width, drawn.height, drawn.jpeg) == (40, 30, JPEG)
    fitted = fitted_in(Message(SIZE, bytearray(3600)), PHOTO, (40, 30))
    assert (fitted.width, fitted.height, len(fitted.rgb)) == (40, 30, 3600)
    decoded = decoded_in(Message(SIZE, bytearray(range(12))), HASH, PHOTO, Target(2))
    assert decoded.pixels is not None
    assert decoded.pixels[1, 1].tolist() == [9, 10, 11]
    assert (decoded.content_hash, decoded.width, decoded.format) == (HASH, 40, "PNG")
    refusal = refusal_in({"kind": "corrupt", "reason": "x" * 9999})
    assert (refusal.kind, len(str(refusal))) == ("corrupt", 400)


LIES: dict[str, Callable[[], object]] = {
    "a thumbnail that is larger than asked for": lambda: drawn_in(
        Message(SIZE, bytearray(JPEG)), PHOTO, 39
    ),
    "a thumbnail that is no JPEG": lambda: drawn_in(Message(SIZE, bytearray(b"GIF89a")), PHOTO, 40),
    "pixels beside the box": lambda: fitted_in(Message(SIZE, bytearray(3600)), PHOTO, (30, 40)),
    "pixels that are too few": lambda: fitted_in(Message(SIZE, bytearray(3599)), PHOTO, (40, 30)),
    "another picture than the model's": lambda: decoded_in(
        Message(SIZE, bytearray(27)), HASH, PHOTO, Target(2)
    ),
    "a hash in capitals": lambda: hash_in(Message({"hash": "AB" * 16})),
    "a hash that is a number": lambda: hash_in(Message({"hash": 7})),
    "no metadata": lambda: headers_in(Message({}), PHOTO),
    "a kind of its own": lambda: refusal_in({"kind": "funny", "reason": ""}),
}


@pytest.mark.parametrize("believe", LIES.values(), ids=LIES.keys())
def test_a_lie_is_refused(believe: Callable[[], object]) -> None:
    with pytest.raises(ChildError):
        believe()


@pytest.mark.parametrize("width", [0, -1, 1 << 31, True, 4.0, "40", None])
def test_a_width_that_is_none_is_refused(width: JsonValue) -> None:
    answer = Message({**SIZE, "width": width, "height": 1}, bytearray(JPEG))
    with pytest.raises(ChildError, match="a size that is none"):
        drawn_in(answer, PHOTO, 1 << 32)
