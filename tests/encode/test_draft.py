"""Letting libjpeg scale while it decodes changes vectors by next to nothing."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipd.config.options import EncoderConfig, ModelConfig
from clipd.decode.picture import read_picture
from clipd.decode.resize import to_square
from clipd.decode.settings import Target
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.pocket.scenes import draw

SCENES = ("sunset", "snowy mountains", "a red car", "a cat", "city skyline", "field of flowers")


@pytest.mark.slow
def test_a_photo_decoded_small_has_the_vector_of_the_whole_one(tmp_path: Path) -> None:
    spec = resolve(ModelConfig(name="pocket"), tmp_path, tmp_path)
    side = spec.preprocess.side
    target = Target(side, "shortest", "bicubic", 0)
    drafted, exact = [], []
    for scene in SCENES:
        file = io.BytesIO()
        draw(scene, 5, (1600, 1200)).save(file, "JPEG", quality=90)
        small = read_picture(file, "JPEG", target, 10_000_000).pixels
        drafted.append(np.frombuffer(small, np.uint8).reshape(side, side, 3))
        with Image.open(file) as whole:
            exact.append(np.asarray(to_square(whole.convert("RGB"), target)))
    assert any((one != other).any() for one, other in zip(drafted, exact, strict=True))
    with Encoder(spec, EncoderConfig(precision="fp32"), tmp_path) as encoder:
        vectors = encoder.encode_images(np.stack(drafted + exact))
    cosines = (vectors[: len(SCENES)] * vectors[len(SCENES) :]).sum(axis=1)
    assert cosines.min() >= 0.99
