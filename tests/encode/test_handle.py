from __future__ import annotations

import numpy as np
import pytest

from clipd.encode.handle import Encoder
from clipd.photo import ModelSpec, Pixels

pytestmark = pytest.mark.slow


def test_pictures_and_texts_become_unit_vectors_in_order(
    encoder: Encoder, spec: ModelSpec, pictures: Pixels
) -> None:
    assert encoder.status().state == "asleep"

    vectors = encoder.encode_images(pictures)
    texts = encoder.encode_texts(["a cat", "a dog", "caf\udce9"])

    assert vectors.dtype == texts.dtype == np.float32
    assert vectors.shape == (10, spec.dim)
    assert texts.shape == (3, spec.dim)
    np.testing.assert_allclose(np.linalg.norm(np.vstack([vectors, texts]), axis=1), 1, atol=1e-5)
    alone = np.vstack([encoder.encode_query_image(picture[None]) for picture in pictures])
    assert (alone @ vectors.T).argmax(axis=1).tolist() == list(range(10))
    np.testing.assert_allclose((alone * vectors).sum(axis=1), 1, atol=1e-3)
    status = encoder.status()
    assert (status.state, status.device, status.model) == ("ready", "cpu", "mine")
    assert status.reason
