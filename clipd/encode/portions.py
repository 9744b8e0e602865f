"""Batches, cut into portions that the encoder survives, until a bad picture stands alone."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from clipd.encode.handle import Encoder
from clipd.errors import EncoderDiedError
from clipd.photo import FailureKind, Pixels, Vectors

log = logging.getLogger(__name__)

_PORTIONS_BEFORE_GROWTH = 20  # a portion that is too large costs the start of an encoder


@dataclass(frozen=True, slots=True)
class Portion:
    """Pictures of a batch, some with their vectors, each of the others with its reason."""

    rows: slice  # of the batch
    vectors: Vectors  # one for each row; NaN for a picture that is refused
    kind: FailureKind = "encode"  # why some are refused
    reason: str = (
        "the vector that the model makes of this picture is zero or not finite; "
        'encoder.precision = "fp32" may help'
    )


class Portions:
    """Has batches encoded in portions as large as the encoder survives. For one thread.

    An encoder that dies, or hangs, takes its portion with it: the portion is halved until the
    picture that was to blame stands alone. The size that worked is remembered and grows back
    slowly, since it is usually memory that is short, and stays short for a while.
    """

    def __init__(self, encoder: Encoder, size: int) -> None:
        """Begin with portions of the given size, which is never exceeded."""
        self._encoder = encoder
        self._most = size
        self._size = size
        self._survived = 0  # portions of that size in a row

    def encode(self, pixels: Pixels) -> Iterator[Portion]:
        """Encode a batch: yield all of its rows, in portions, each as soon as it is known.

        Args:
            pixels: uint8, shape (n, side, side, 3).

        Raises:
            EncodeError: the encoder does not work, whatever the pictures are.
        """
        left = deque([slice(0, len(pixels))])
        while left:
            rows = self._cut(left.popleft(), left)
            try:
                yield Portion(rows, self._encoder.encode_images(pixels[rows]))
            except EncoderDiedError as died:
                if _length(rows) > 1:
                    self._shrink(_length(rows), died)
                    left.appendleft(rows)
                else:
                    yield self._alone(pixels, rows)
            else:
                self._grow(_length(rows))

    def _cut(self, rows: slice, left: deque[slice]) -> slice:
        """Take a portion off some rows; put the others back."""
        end = min(rows.start + self._size, rows.stop)
        if end < rows.stop:
            left.appendleft(slice(end, rows.stop))
        return slice(rows.start, end)

    def _alone(self, pixels: Pixels, rows: slice) -> Portion:
        """Try a picture once more by itself; blame it if the encoder dies of it alone.

        Raises:
            EncodeError: the encoder dies of any picture.
        """
        try:
            return Portion(rows, self._encoder.encode_images(pixels[rows]))
        except EncoderDiedError as died:
            # A grey picture: what dies of it too dies of everything, such as want of memory.
            self._encoder.encode_images(np.full_like(pixels[rows], 128))
            nothing = np.full((1, self._encoder.dim), np.nan, np.float32)
            return Portion(rows, nothing, died.kind, f"{died}, twice over this picture alone")

    def _shrink(self, size: int, died: EncoderDiedError) -> None:
        self._size, self._survived = max(1, size // 2), 0
        log.warning("%s over %d pictures; now %d at a time", died, size, self._size)

    def _grow(self, size: int) -> None:
        self._survived = self._survived + 1 if size == self._size else self._survived
        if self._survived >= _PORTIONS_BEFORE_GROWTH and self._size < self._most:
            self._size, self._survived = min(2 * self._size, self._most), 0


def _length(rows: slice) -> int:
    return int(rows.stop - rows.start)
