"""What an encoder answered, checked before it is believed: a child, or another machine."""

from __future__ import annotations

import numpy as np

from clipd.errors import EncodeError, EncoderDiedError
from clipd.photo import FailureKind, Vectors
from clipd.process.channel import Message

_MOST_SAID = 600  # characters of a sentence that comes from it
_FAR_FROM_ONE = 0.01
# Of how the encoder's process ended there: the words that may come.
_DEATHS: tuple[FailureKind, ...] = ("crash", "timeout", "memory")


def vectors_of(answer: Message, rows: int, dim: int) -> Vectors:
    """Return the vectors of an answer.

    Args:
        answer: of a child or another machine, which may be anything.
        rows: how many vectors were asked for.
        dim: how long each has to be.

    Returns:
        float32, shape (rows, dim), rows of L2 norm 1, or of NaN.

    Raises:
        EncoderDiedError: another machine says that its child died of this work.
        EncodeError: it is a refusal, or makes no sense.
    """
    if "shape" not in answer.header:
        sentence = str(answer.header.get("error"))[:_MOST_SAID]
        died = answer.header.get("died")
        for kind in _DEATHS:
            if died == kind:
                raise EncoderDiedError(kind, sentence)
        raise EncodeError(sentence)
    shape = answer.header["shape"]
    if shape != [rows, dim] or len(answer.body) != 4 * rows * dim:
        raise EncodeError(
            f"the encoder answered {shape} and {len(answer.body)} bytes where {rows} vectors of "
            f"{dim} numbers were asked for"
        )
    vectors = np.frombuffer(answer.body, np.float32).reshape(rows, dim)
    usable = vectors[np.isfinite(vectors).all(axis=1)]
    # In double precision, in which no square of a number that came is too large.
    lengths = np.linalg.norm(usable.astype(np.float64), axis=1)
    if (abs(lengths - 1) > _FAR_FROM_ONE).any():
        raise EncodeError("the encoder sent a vector whose length is not 1")
    return vectors
