"""Thumbnails, made by a sealed decoder of files of every kind."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from clipd.decode.pool import DecoderPool
from clipd.photo import Drawn, Fitted, Refused
from tests.decode.conftest import Decode, encoded, two_colours

pytestmark = pytest.mark.slow
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "HEIF", "AVIF")


@pytest.fixture(scope="module")
def drawing(pool: DecoderPool, decode: Decode) -> DecoderPool:
    """The pool, once its child has started: that belongs to the module, not to a test."""
    return pool


def drawn(pool: DecoderPool, file: Path, side: int = 256) -> Image.Image:
    outcome = pool.draw_now(bytes(file), 0, side)
    assert isinstance(outcome, Drawn), outcome
    picture = Image.open(io.BytesIO(outcome.jpeg))
    assert picture.format == "JPEG"
    assert picture.size == (outcome.width, outcome.height)
    return picture


def save(folder: Path, content: bytes) -> Path:
    file = folder / "picture.jpg"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("format_", FORMATS)
def test_a_picture_of_any_format_is_made_small(
    drawing: DecoderPool, tmp_path: Path, format_: str
) -> None:
    file = save(tmp_path, encoded(two_colours(1600, 1200), format_))
    picture = drawn(drawing, file)
    assert picture.size == (256, 192)
    assert picture.getpixel((64, 120))[0] > 180  # type: ignore[index]  # red on the left
    assert picture.getpixel((192, 120))[2] > 180  # type: ignore[index]  # blue on the right


def test_a_small_picture_stays_as_small_as_it_is(drawing: DecoderPool, tmp_path: Path) -> None:
    assert drawn(drawing, save(tmp_path, encoded(two_colours(90, 60), "PNG"))).size == (90, 60)


@pytest.mark.parametrize("turned", range(1, 9))
def test_it_is_upright(drawing: DecoderPool, tmp_path: Path, turned: int) -> None:
    upright = two_colours(800, 600)
    back = {
        **{1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180},
        **{4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE},
        **{6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE},
        8: Image.Transpose.ROTATE_270,
    }[turned]
    exif = Image.Exif()
    exif[274] = turned
    written = io.BytesIO()
    (upright if back is None else upright.transpose(back)).save(written, "JPEG", exif=exif)
    picture = drawn(drawing, save(tmp_path, written.getvalue()))
    wanted = upright.resize((256, 192))
    assert picture.size == wanted.size
    assert np.abs(np.asarray(picture, np.int16) - np.asarray(wanted, np.int16)).mean() < 6


def test_what_is_transparent_lies_on_white(drawing: DecoderPool, tmp_path: Path) -> None:
    holed = Image.new("RGBA", (400, 300), (0, 0, 0, 0))
    holed.paste((10, 120, 10, 255), (0, 0, 200, 300))
    picture = drawn(drawing, save(tmp_path, encoded(holed, "PNG")))
    assert min(picture.getpixel((220, 96))) > 245  # type: ignore[arg-type]


def test_colours_are_those_of_the_profile(drawing: DecoderPool, tmp_path: Path) -> None:
    # A profile whose red and blue are exchanged shows at once whether it was used.
    plain = Image.new("RGB", (300, 300), (200, 30, 30))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = {tag: profile.index(tag, 128) for tag in (b"rXYZ", b"bXYZ")}
    exchanged = bytearray(profile)
    exchanged[at[b"rXYZ"] : at[b"rXYZ"] + 4] = b"bXYZ"
    exchanged[at[b"bXYZ"] : at[b"bXYZ"] + 4] = b"rXYZ"
    for used, is_blue in ((profile, False), (bytes(exchanged), True), (b"no profile", False)):
        written = io.BytesIO()
        plain.save(written, "JPEG", icc_profile=used)
        red, _, blue = drawn(drawing, save(tmp_path, written.getvalue())).getpixel((9, 9))  # type: ignore[misc]
        assert (blue > red) == is_blue


@pytest.mark.parametrize("turned", [1, 6])
@pytest.mark.parametrize(
    ("box", "size"), [((40, 30), (40, 30)), ((200, 30), (40, 30)), ((20, 99), (20, 15))]
)
def test_pixels_fit_into_a_box(
    drawing: DecoderPool, turned: int, box: tuple[int, int], size: tuple[int, int]
) -> None:
    upright = two_colours(800, 600)
    exif = Image.Exif()
    exif[274] = turned
    stored = upright.transpose(Image.Transpose.ROTATE_90) if turned == 6 else upright
    written = io.BytesIO()
    stored.save(written, "JPEG", exif=exif)
    outcome = fitted(drawing, written.getvalue(), box)
    assert isinstance(outcome, Fitted), outcome
    assert (outcome.width, outcome.height) == size
    pixels = np.frombuffer(outcome.rgb, np.uint8).reshape(outcome.height, outcome.width, 3)
    assert np.abs(pixels.astype(np.int16) - np.asarray(upright.resize(size), np.int16)).mean() < 9


def fitted(pool: DecoderPool, content: bytes, box: tuple[int, int]) -> Fitted | Refused:
    fd = os.memfd_create("picture")
    try:
        os.write(fd, content)
        return pool.fit_now(fd, box)
    finally:
        os.close(fd)


def test_what_is_no_picture_is_refused_for_pixels_too(drawing: DecoderPool) -> None:
    assert isinstance(fitted(drawing, b"\xff\xd8\xff no JPEG", (9, 9)), Refused)


def test_damage_has_a_reason(drawing: DecoderPool, tmp_path: Path) -> None:
    whole = encoded(two_colours(1600, 1200), "JPEG")
    outcome = drawing.draw_now(bytes(save(tmp_path, whole[: len(whole) // 3])), 0, 256)
    assert isinstance(outcome, Refused)
    assert outcome.kind == "corrupt"
    assert isinstance(drawing.draw_now(b"/nowhere.jpg", 0, 256), Refused)
