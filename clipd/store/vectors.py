"""Photos' vectors as the catalog keeps them: half precision, and a checksum of their bytes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipd.errors import EncodeError
from clipd.photo import Ids, Vectors

# Half precision moves the length of a unit vector by about a thousandth at most. One flipped bit
# of an exponent made a photo lead every search, with a score of 17.
_LENGTH_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class KeptVector:
    """One row of the catalog."""

    photo: int
    blob: bytes
    checksum: int | None  # None: a row of clipd 0.1 that has none yet


@dataclass(frozen=True, slots=True)
class VectorPage:
    """Vectors that belong in the index, and the photos whose vectors are damaged."""

    ids: Ids
    vectors: Vectors
    damaged: tuple[int, ...]
    last: int  # the highest id of both; 0 when there is none


def pack(vector: NDArray[np.float32]) -> bytes:
    """Return a vector as it is kept.

    Raises:
        EncodeError: it is zero, not finite, or not of length 1.
    """
    # Judged as it is stored: half precision turns the tiny into zero, the huge into infinity.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        half = vector.astype("<f2")
    if fault := fault_of(half):
        raise EncodeError(f"the model made {fault}")
    return half.tobytes()


def fault_of(half: NDArray[np.float16]) -> str:
    """Say what is wrong with a vector as it is kept, shape (dim,); "" when nothing is."""
    if not np.isfinite(half).all() or not half.any():
        return "a vector that is zero or not finite"
    if not _have_length_one(half.reshape(1, -1)).all():
        return "a vector whose length is not 1"
    return ""


def checksum_of(blob: bytes) -> int:
    """Return the checksum that is kept beside a vector."""
    return zlib.crc32(blob)


def page_of(rows: Sequence[KeptVector], dim: int) -> VectorPage:
    """Check the vectors of one model as they come out of the catalog.

    Args:
        rows: by photo.
        dim: how long the model's vectors are.
    """
    whole = [row for row in rows if len(row.blob) == 2 * dim and _is_as_written(row)]
    halves = np.frombuffer(b"".join(row.blob for row in whole), "<f2").reshape(-1, max(dim, 1))
    with np.errstate(invalid="ignore"):
        vectors = halves.astype(np.float32)
    sound = _have_length_one(vectors)
    ids = np.array([row.photo for row in whole], dtype=np.int64)[sound]
    damaged = {row.photo for row in rows}.difference(ids.tolist())
    last = max((row.photo for row in rows), default=0)
    if not sound.all():
        vectors = vectors[sound]
    return VectorPage(ids, vectors, tuple(sorted(damaged)), last)


def unpack_text_vector(blob: bytes, dim: int) -> NDArray[np.float32] | None:
    """Return the vector of a query as it was kept, in full precision; None when it is damaged."""
    if len(blob) != 4 * dim:
        return None
    vector = np.frombuffer(blob, "<f4").astype(np.float32)
    return vector if _have_length_one(vector.reshape(1, -1)).all() else None


def _is_as_written(row: KeptVector) -> bool:
    return row.checksum is None or row.checksum == checksum_of(row.blob)


def _have_length_one(rows: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell which rows of (n, dim) are of length 1; those that are not finite are not."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(rows.astype(np.float32, copy=False), axis=1)
    near: NDArray[np.bool_] = np.abs(lengths - 1.0) <= _LENGTH_TOLERANCE
    return near
