from __future__ import annotations

import numpy as np

from clipd.encode.sample import SIZE, Sample
from clipd.photo import Pixels


def some(count: int, first: int = 0) -> Pixels:
    numbers = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, 2, 2, 3))


def test_a_sample_is_whole_once_there_are_enough_pictures_and_takes_no_more() -> None:
    sample = Sample()
    for number in range(SIZE - 1):
        sample.offer(some(1, number))
        assert sample.whole() is None
    sample.offer(some(1, SIZE - 1))
    sample.offer(some(1, 200))

    whole = sample.whole()

    assert whole is not None
    assert whole[:, 0, 0, 0].tolist() == list(range(SIZE))


def test_a_sample_takes_only_a_few_pictures_of_a_batch() -> None:
    sample = Sample()

    sample.offer(some(100))
    for first in range(100, 100 + SIZE - 4):
        sample.offer(some(1, first))

    whole = sample.whole()
    assert whole is not None
    assert whole[:4, 0, 0, 0].tolist() == [0, 25, 50, 75]


def test_a_sample_that_was_cleared_begins_anew() -> None:
    sample = Sample()
    for number in range(SIZE):
        sample.offer(some(1, number))

    sample.clear()

    assert sample.whole() is None
