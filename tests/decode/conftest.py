"""A pool of one decoder, and pictures sent to it as a client would."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clipd.config.options import DecoderConfig
from clipd.decode.pool import DecoderPool
from clipd.photo import Decoded, Preprocess, Refused
from tests.corpus.pieces import saved

SIDE = 64
Decode = Callable[[bytes], Decoded | Refused]
encoded = saved


def two_colours(width: int = 160, height: int = 120) -> Image.Image:
    """Left half red, right half blue, the upper fifth white: no two turns of it are the same."""
    image = Image.new("RGB", (width, height), (220, 20, 20))
    image.paste((20, 20, 220), (width // 2, 0, width, height))
    image.paste((255, 255, 255), (0, 0, width, height // 5))
    return image


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def small_pool(**limits: float) -> DecoderPool:
    config = DecoderConfig(**{"processes": 1, **limits})  # type: ignore[arg-type]
    return DecoderPool(config, Preprocess(SIDE), lambda _: False, lambda job, outcome: None)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with pytest.MonkeyPatch.context() as patch, small_pool() as pool:
        # Its decoder, too: a test before which it had ended would be blamed for the next one.
        patch.setattr("clipd.decode.pool._REST_SECONDS", 3600.0)
        pool.decode_now(b"/nowhere.jpg")  # its thread belongs to the module, not to a test
        yield pool


@pytest.fixture(scope="module")
def decode(pool: DecoderPool) -> Decode:
    """Decode bytes through a descriptor without a name, as for an uploaded picture."""

    def decode(content: bytes) -> Decoded | Refused:
        fd = os.memfd_create("picture")
        try:
            os.write(fd, content)
            return pool.decode_now(fd)
        finally:
            os.close(fd)

    assert isinstance(decode(encoded(two_colours(), "PNG")), Decoded)
    return decode
