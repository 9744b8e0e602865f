"""Pictures that are quick to make, tell apart well, and are all of one size in bytes."""

from __future__ import annotations

import random
import struct

_SIDE = 32
_BLOCKS = 4  # a side; each of one colour
_HEADER_BYTES = 54
_HEADER = struct.Struct("<2sIHHIIiiHHIIiiII")
SIZE_BYTES = _HEADER_BYTES + 3 * _SIDE * _SIDE


def picture(number: int) -> bytes:
    """Return a BMP of blocks of colours; the same number gives the same bytes.

    All are of `SIZE_BYTES`, so that one can replace another without a trace in its size.
    """
    dice = random.Random(number)
    block = _SIDE // _BLOCKS
    rows = []
    for _ in range(_BLOCKS):
        row = b"".join(
            bytes(dice.choice((0, 90, 170, 255)) for _ in "bgr") * block for _ in range(_BLOCKS)
        )
        rows.append(row * block)
    pixels = b"".join(rows)
    numbers = (SIZE_BYTES, 0, 0, _HEADER_BYTES, 40, _SIDE, _SIDE, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return _HEADER.pack(b"BM", *numbers) + pixels
