"""The shipped weights, unpacked where open_clip can read them."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

from clipd.durable import put_in_place

HERE = Path(__file__).parent
CONFIG = HERE / "tiny.json"
PACKED = HERE / "weights.safetensors.gz"


def checkpoint(folder: Path) -> Path:
    """Unpack the weights into a folder, unless these very weights are there already, undamaged.

    The file's name carries their hash, so that a new version never reads old weights.

    Args:
        folder: an existing or new folder that may be written to.

    Returns:
        The path of a .safetensors file.

    Raises:
        OSError: the folder cannot be written to.
    """
    packed = PACKED.read_bytes()
    target = folder / f"tiny-{hashlib.sha256(packed).hexdigest()[:16]}.safetensors"
    if not _is_whole(target, packed):
        folder.mkdir(parents=True, exist_ok=True)
        _unpack(PACKED, target)
    return target


def _is_whole(unpacked: Path, packed: bytes) -> bool:
    """Whether a file is what was packed, by the checksum at the end of a gzip file (RFC 1952)."""
    try:
        content = unpacked.read_bytes()
    except OSError:
        return False
    return (zlib.crc32(content), len(content)) == struct.unpack("<II", packed[-8:])


def _unpack(packed: Path, target: Path) -> None:
    """Unpack a file so that its name never stands for half of it."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".tiny-")
    temporary = Path(name)
    try:
        with gzip.open(packed) as source, os.fdopen(descriptor, "wb") as sink:
            shutil.copyfileobj(source, sink)
        put_in_place(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
