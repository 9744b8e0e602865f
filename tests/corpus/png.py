"""PNG files written by hand: those that Pillow does not write, and those that nobody should."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import numpy as np
from PIL import Image

GREY, RGB, RGBA = 0, 2, 6  # colour types of the specification


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk with its length and checksum."""
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: Iterable[bytes]) -> bytes:
    """Return a PNG of rows of unfiltered samples."""
    header = struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b"\0" + row) for row in rows) + packer.flush()
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep(image: Image.Image) -> bytes:
    """Return an RGB or RGBA picture as a PNG with 16 bits a sample."""
    colour = {"RGB": RGB, "RGBA": RGBA}[image.mode]
    samples = np.asarray(image, ">u2") * np.array(257, ">u2")
    rows = [row.astype(">u2").tobytes() for row in samples]
    return png(image.width, image.height, 16, colour, rows)


def coarse_grey(image: Image.Image, depth: int) -> bytes:
    """Return a picture as a grey PNG with 2 or 4 bits a sample; its width a multiple of 8."""
    grey = np.asarray(image.convert("L"), np.uint8) >> np.uint8(8 - depth)
    bits = np.unpackbits(grey[..., None], axis=2)[..., -depth:].reshape(image.height, -1)
    rows = [row.tobytes() for row in np.packbits(bits, axis=1)]
    return png(image.width, image.height, depth, GREY, rows)


def bomb(side: int) -> bytes:
    """Return a small PNG that claims side x side pixels of one bit each, and means it."""
    row = bytes((side + 7) // 8)
    return png(side, side, 1, GREY, (row for _ in range(side)))
