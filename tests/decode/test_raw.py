"""Raw pictures are read through the preview that the camera stored in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from clipd.decode.pool import DecoderPool
from clipd.photo import Decoded, Refused
from tests.corpus.dng import dng
from tests.decode.conftest import difference, encoded, small_pool, two_colours


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    """A pool of each test's own: the first raw picture replaces its decoder."""
    with small_pool() as pool:
        yield pool


def decode_file(pool: DecoderPool, path: Path, content: bytes) -> Decoded | Refused:
    path.write_bytes(content)
    return pool.decode_now(os.fsencode(path))


def test_a_raw_picture_is_read_through_its_preview_and_turned_upright(
    pool: DecoderPool, tmp_path: Path
) -> None:
    pytest.importorskip("rawpy")
    upright = two_colours()
    lying = upright.transpose(Image.Transpose.ROTATE_90)  # undone by orientation 6
    expected = decode_file(pool, tmp_path / "a.jpg", encoded(upright, "JPEG", quality=95))
    answer = decode_file(pool, tmp_path / "a.DNG", dng(encoded(lying, "JPEG", quality=95), 6))

    assert isinstance(answer, Decoded), answer
    assert isinstance(expected, Decoded)
    assert (answer.format, answer.width, answer.height) == ("RAW", 48, 64)
    assert answer.pixels is not None
    assert expected.pixels is not None
    assert difference(answer.pixels, expected.pixels) < 4.0


def test_a_raw_picture_with_a_broken_preview_is_refused(pool: DecoderPool, tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    answer = decode_file(pool, tmp_path / "a.dng", dng(b"no preview at all", 1))
    assert isinstance(answer, Refused)
    assert answer.kind in ("corrupt", "unsupported")


def test_what_is_no_raw_picture_inside_is_refused(pool: DecoderPool, tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    answer = decode_file(pool, tmp_path / "a.nef", os.urandom(5000))
    assert isinstance(answer, Refused)
    assert answer.kind in ("corrupt", "unsupported")
    assert "raw" in answer.reason.lower()


def test_a_jpeg_that_is_named_like_a_raw_picture_is_read_as_what_it_is(
    pool: DecoderPool, tmp_path: Path
) -> None:
    answer = decode_file(pool, tmp_path / "a.cr2", encoded(two_colours(), "JPEG"))
    assert isinstance(answer, Decoded)
    assert answer.format == "JPEG"
