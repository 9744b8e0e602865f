"""A JPEG decoded small is the same picture, however it is turned and whatever its size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clipd.decode.draft import draft
from clipd.decode.picture import read_picture
from clipd.decode.resize import to_square
from clipd.decode.settings import Target
from clipd.pocket.scenes import draw
from tests.decode.conftest import difference, encoded

TARGET = Target(64)


@pytest.mark.parametrize("turned", range(1, 9))
def test_what_libjpeg_adds_at_the_edges_is_left_out(turned: int) -> None:
    # 8 x 103 + 1: at an eighth, 7 parts of 8 of the last column and row lie outside.
    photo = draw("city skyline", 3, (825, 825))
    exif = Image.Exif()
    exif[0x0112] = turned
    content = encoded(photo, "JPEG", quality=95, exif=exif)

    decoded = read_picture(io.BytesIO(content), "JPEG", TARGET, 10_000_000).pixels

    upright = Image.open(io.BytesIO(encoded(photo, "PNG", exif=exif)))
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(turned)
    whole = upright.convert("RGB")
    exact = to_square(whole if method is None else whole.transpose(method), TARGET)
    square = np.frombuffer(decoded, np.uint8).reshape(64, 64, 3)
    assert difference(square, np.asarray(exact)) < 1.5


@pytest.mark.parametrize(("side", "scale"), [(100, 1), (186, 2), (372, 4), (744, 8), (6000, 8)])
def test_the_smallest_scale_is_taken_that_leaves_enough(side: int, scale: int) -> None:
    with Image.open(io.BytesIO(encoded(Image.new("RGB", (side, side)), "JPEG"))) as photo:
        drafted = draft(photo, TARGET)

        assert photo.size == (-(-side // scale),) * 2
        assert (drafted is None) == (scale == 1)
        if drafted is not None:
            assert drafted.box(1) == (0, 0, side / scale, side / scale)


def test_a_picture_that_is_no_jpeg_is_loaded_as_it_is() -> None:
    with Image.open(io.BytesIO(encoded(Image.new("RGB", (900, 900)), "PNG"))) as photo:
        assert draft(photo, TARGET) is None
        assert photo.size == (900, 900)
