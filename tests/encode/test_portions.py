"""One bad picture harms only itself, and memory that is short makes portions smaller."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from clipd.config.options import EncoderConfig
from clipd.encode.handle import Encoder
from clipd.encode.portions import Portion, Portions
from clipd.errors import EncodeError
from clipd.photo import ModelSpec, Pixels, Vectors
from tests import processes
from tests.encode.conftest import Faults

pytestmark = pytest.mark.slow

CONFIG = EncoderConfig(device="cpu", precision="fp32", runtime="torch")


def joined(portions: list[Portion]) -> Vectors:
    assert [p.rows.start for p in portions[1:]] == [p.rows.stop for p in portions[:-1]]
    return np.concatenate([portion.vectors for portion in portions])


def test_a_picture_that_kills_the_encoder_is_refused_alone(
    faults: Faults, spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    batch = pictures[:4].copy()
    batch[2] = 0
    with Encoder(spec, CONFIG, cache) as encoder:
        expected = encoder.encode_images(batch)
    faults.kill_over("(pictures.amax((1, 2, 3)) < -1).any()")  # one that is black all over

    with Encoder(spec, CONFIG, cache) as encoder:
        portions = list(Portions(encoder, 32).encode(batch))

    (bad,) = (portion for portion in portions if np.isnan(portion.vectors).any())
    assert (bad.rows, bad.kind) == (slice(2, 3), "memory")
    assert "was killed" in bad.reason
    assert "this picture alone" in bad.reason
    found = np.delete(joined(portions), 2, axis=0)
    np.testing.assert_allclose(found, np.delete(expected, 2, axis=0), atol=1e-4)


def test_an_encoder_killed_for_want_of_memory_gets_less_at_a_time_from_then_on(
    faults: Faults, spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    faults.kill_over("len(pictures) > 2")
    with Encoder(spec, CONFIG, cache) as encoder:
        portions = Portions(encoder, 4)
        first = list(portions.encode(pictures[:4]))
        pid = processes.children(os.getpid())
        second = list(portions.encode(pictures[:4]))

        assert joined(first).shape == (4, spec.dim)
        assert [portion.rows for portion in second] == [slice(0, 2), slice(2, 4)]
        assert processes.children(os.getpid()) == pid  # nobody died of the second batch


def test_what_kills_every_encoder_is_not_put_down_to_a_picture(
    faults: Faults, spec: ModelSpec, cache: Path, pictures: Pixels
) -> None:
    faults.kill_over("True")
    with Encoder(spec, CONFIG, cache) as encoder, pytest.raises(EncodeError, match="was killed"):
        list(Portions(encoder, 32).encode(pictures[:2]))
