"""Photos with vectors, as a bulk run makes them, made up for tests."""

from __future__ import annotations

import hashlib

import numpy as np

from clipd.photo import ModelSpec, Preprocess
from clipd.store.vector_file import PortableFile, PortablePhoto
from clipd.store.vectors import pack

SPEC = ModelSpec("tiny", "tiny", "tag", "", 8, Preprocess(side=8), "f" * 64)


def photo(number: int, dim: int = SPEC.dim) -> PortablePhoto:
    """Return a photo, always the same for a number."""
    vector = np.random.default_rng(number).normal(size=dim).astype(np.float32)
    return PortablePhoto(
        hashlib.blake2b(b"%d" % number, digest_size=16).digest(),
        640,
        480,
        "JPEG",
        "2019-07-12T14:03:22" if number % 2 else "",
        None if number % 3 else 1.5 * number,
        pack(vector / np.linalg.norm(vector)),
        (PortableFile(b"/photos/\xff %d.jpg" % number, 1000 + number, 10**18 + number),),
    )
