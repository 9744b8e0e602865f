from __future__ import annotations

import numpy as np
import pytest

from clipd.encode.agreement import compared
from clipd.photo import Vectors

DIM = 32


def units(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, DIM), np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def blurred(rows: Vectors, noise: float) -> Vectors:
    rows = rows + noise * units(len(rows), 9)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


PICTURES, TEXTS = units(64, 1), units(50, 2)


def test_the_same_vectors_agree() -> None:
    agreement = compared(PICTURES, PICTURES, TEXTS)

    assert agreement.cosine == pytest.approx(1, abs=1e-6)
    assert agreement.hits == 1
    assert agreement.is_enough


def test_a_little_rounding_is_good_enough_and_much_is_not() -> None:
    assert compared(blurred(PICTURES, 0.01), PICTURES, TEXTS).is_enough
    assert not compared(blurred(PICTURES, 0.5), PICTURES, TEXTS).is_enough


def test_vectors_that_are_near_but_find_other_pictures_are_not_good_enough() -> None:
    # As in a model whose vectors all lie close together: the cosine says nothing there.
    crowded = blurred(np.broadcast_to(PICTURES[0], PICTURES.shape), 0.02)

    agreement = compared(np.roll(crowded, 1, axis=0), crowded, TEXTS)

    assert agreement.cosine > 0.99
    assert not agreement.is_enough


def test_one_picture_in_twenty_may_differ_and_a_picture_without_a_vector_may_not() -> None:
    rough = PICTURES.copy()
    rough[0] = -rough[0]
    assert compared(rough, PICTURES, TEXTS).cosine > 0.99

    rough[0] = np.nan
    assert not compared(rough, PICTURES, TEXTS).is_enough
