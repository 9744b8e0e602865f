"""Taking vectors that were made elsewhere into the catalog.

A photo whose file has not been seen here yet is kept as one whose files are gone: for as long as
``store.keep``. When a file with its content comes, it is known by its hash, as a copy would be.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from clipd.errors import VectorFileError
from clipd.photo import ModelSpec
from clipd.store.catalog import Catalog
from clipd.store.vector_file import PortablePhoto
from clipd.store.vectors import fault_of

REASONS_KEPT = 20
_HASH_BYTES = 16
_MOST_PIXELS = 1 << 31  # of an edge
_FORMAT = re.compile(r"[A-Za-z0-9 ._-]{1,16}")
_TAKEN = re.compile(r"[0-9T:.-]{0,32}")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of photos that were to be taken in."""

    taken: int = 0  # got a vector
    known: int = 0  # had one
    placed: int = 0  # files that are taken for one of them, unread
    refused: int = 0  # are not sound
    reasons: tuple[str, ...] = ()  # why, of the first of these, a sentence each

    def __add__(self, other: Imported) -> Imported:
        return Imported(
            self.taken + other.taken,
            self.known + other.known,
            self.placed + other.placed,
            self.refused + other.refused,
            (self.reasons + other.reasons)[:REASONS_KEPT],
        )

    @classmethod
    def none_of(cls, reasons: Sequence[str]) -> Self:
        """Return what became of photos that are refused, each for a reason."""
        return cls(refused=len(reasons), reasons=tuple(reasons[:REASONS_KEPT]))


def insist_on_model(name: str, fingerprint: str, in_use: ModelSpec) -> None:
    """Insist that vectors were made with the model that is in use here.

    Raises:
        VectorFileError: they were not.
    """
    if fingerprint == in_use.fingerprint:
        return
    if name == in_use.name:
        raise VectorFileError(
            f"the vectors were made with other weights of {name} ({fingerprint[:12]}) than those "
            f"that are in use here ({in_use.fingerprint[:12]}); use the same file of weights on "
            "both machines: model.checkpoint"
        )
    raise VectorFileError(
        f"the vectors were made with the model {name}, and {in_use.name} is in use here; "
        f"change to that model first: clipd model use {name}"
    )


def sound_photos(photos: Sequence[PortablePhoto], dim: int) -> tuple[list[PortablePhoto], Imported]:
    """Sort out the photos that can be taken in; return them, and what became of the others."""
    faults = [(photo, _fault_of(photo, dim)) for photo in photos]
    reasons = [f"{_name_of(photo)}: {fault}" for photo, fault in faults if fault]
    return [photo for photo, fault in faults if not fault], Imported.none_of(reasons)


def take_in(catalog: Catalog, model: int, photos: Sequence[PortablePhoto]) -> Imported:
    """Keep the vectors of photos that are sound, inside of a transaction of the caller's."""
    now, taken = int(time.time()), 0
    for each in photos:
        photo = catalog.add_photo(
            each.content_hash, each.width, each.height, each.format, each.taken_at, now
        )
        catalog.expect(photo, now)
        taken += catalog.add_vector(model, photo, each.vector)
        if each.sharpness is not None:
            catalog.put_sharpness(photo, each.sharpness)
    return Imported(taken, len(photos) - taken)


def _fault_of(photo: PortablePhoto, dim: int) -> str:
    if len(photo.content_hash) != _HASH_BYTES:
        return "a hash that is none"
    if len(photo.vector) != 2 * dim:
        return f"a vector of {len(photo.vector) // 2} numbers, where the model's have {dim}"
    if fault := fault_of(np.frombuffer(photo.vector, "<f2")):
        return fault
    if not (0 < photo.width < _MOST_PIXELS and 0 < photo.height < _MOST_PIXELS):
        return f"a picture of {photo.width} x {photo.height} pixels"
    if photo.sharpness is not None and not 0 <= photo.sharpness < math.inf:
        return "a sharpness that is none"
    if not _FORMAT.fullmatch(photo.format) or not _TAKEN.fullmatch(photo.taken_at):
        return "a format or a date that is none"
    return ""


def _name_of(photo: PortablePhoto) -> str:
    if photo.files:
        return os.fsdecode(photo.files[0].path)
    return f"the photo with the hash {photo.content_hash.hex()}"
