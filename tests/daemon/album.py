"""Pictures for the daemon: drawn scenes, each drawn once for all tests."""

from __future__ import annotations

import functools
import io
import itertools
import os
import struct
import zlib
from pathlib import Path

from clipd.pocket.scenes import draw

SIZE = (320, 240)
# What every seeded daemon has already encoded, so that copies of it need no encoder.
SEED = {
    "sunset.jpg": "sunset",
    "beach.jpg": "beach",
    "forest.jpg": "forest",
    "mountains.jpg": "snowy mountains",
    "night.jpg": "night sky",
    "car.jpg": "a red car",
    "cat.jpg": "a cat",
    "rainbow.jpg": "rainbow",
}
_serial = itertools.count(1)


@functools.cache
def picture(scene: str, seed: int = 1, format: str = "JPEG") -> bytes:
    """Return a drawn scene as the bytes of a file; always the same for the same arguments."""
    written = io.BytesIO()
    draw(scene, seed, SIZE).save(written, format)
    return written.getvalue()


def new(scene: str = "sunset") -> bytes:
    """Return a file that no other test has: the scene, and a few bytes after its end."""
    # Decoders stop at the end-of-image marker, so that the picture is the same and the file new.
    return picture(scene) + b"%d of %d" % (next(_serial), os.getpid())


def save(file: Path, content: bytes) -> Path:
    """Write a file in one go, with the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def fill(folder: Path) -> Path:
    """Write the seed pictures into a folder."""
    for name, scene in SEED.items():
        save(folder / name, picture(scene))
    return folder


def bomb(side: int) -> bytes:
    """Return a small PNG that claims side x side pixels of one bit each, and means it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        )

    header = struct.pack("!IIBBBBB", side, side, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
