"""Pictures of every kind through a real decoder; what must come out is known beforehand."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clipd.decode.resize import to_square
from clipd.decode.settings import Target
from clipd.photo import Decoded, Refused
from tests.decode.conftest import (
    SIDE,
    Decode,
    difference,
    encoded,
    small_pool,
    two_colours,
)

EXPECTED = np.asarray(to_square(two_colours(), Target(SIDE)))


def pixels(answer: Decoded | Refused) -> NDArray[np.uint8]:
    assert isinstance(answer, Decoded), answer
    assert answer.pixels is not None
    return answer.pixels


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def grey_steps() -> NDArray[np.uint16]:
    """0, 1/4, 1/2, 3/4 and all of the 16-bit scale, in columns."""
    return np.repeat(np.array([[0, 16448, 32896, 49344, 65535]], np.uint16), 50, 0).repeat(10, 1)


def columns(picture: NDArray[np.uint8]) -> list[int]:
    """The grey of five columns of a square made of `grey_steps`."""
    assert (picture[..., 0] == picture[..., 1]).all()
    return [int(picture[SIDE // 2, round(SIDE * (n + 0.5) / 5), 0]) for n in range(5)]


@pytest.mark.parametrize(
    ("format_", "options", "tolerance"),
    [
        ("PNG", {}, 0.0),
        ("BMP", {}, 0.0),
        ("TIFF", {"compression": "tiff_lzw"}, 0.0),
        ("WEBP", {"lossless": True}, 0.0),
        ("GIF", {}, 0.5),
        ("JPEG", {"quality": 95, "subsampling": 0}, 2.0),
        ("AVIF", {"quality": 95}, 3.0),
        ("HEIF", {"quality": 95}, 3.0),
    ],
)
def test_every_format_gives_the_same_picture(
    decode: Decode, format_: str, options: dict[str, object], tolerance: float
) -> None:
    content = encoded(two_colours(), format_, **options)
    answer = decode(content)
    assert isinstance(answer, Decoded)
    assert (answer.format, answer.width, answer.height) == (format_, 160, 120)
    assert answer.content_hash == hashlib.blake2b(content, digest_size=16).digest()
    assert difference(pixels(answer), EXPECTED) <= tolerance


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA", "1", "L", "LA", "LAB"])
def test_every_colour_mode_is_seen_as_a_person_sees_it(decode: Decode, mode: str) -> None:
    picture = two_colours()
    if mode in ("1", "L", "LA"):
        picture = picture.convert("L").convert(mode)
        expected = np.asarray(to_square(picture.convert("RGB"), Target(SIDE)))
    elif mode == "LAB":
        expected = EXPECTED
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
        assert converted is not None
        picture = converted
    else:
        expected = EXPECTED
        picture = picture.convert(mode)
    assert difference(pixels(decode(encoded(picture, "TIFF"))), expected) <= 3.0


def test_a_cmyk_jpeg_as_photoshop_writes_it_is_not_a_negative(decode: Decode) -> None:
    content = encoded(two_colours().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in content  # such files hold inverted values
    assert difference(pixels(decode(content)), EXPECTED) <= 4.0


def test_what_is_transparent_is_white(decode: Decode) -> None:
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    clear = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    assert np.array_equal(pixels(decode(encoded(clear, "PNG"))), white)
    assert np.array_equal(pixels(decode(encoded(clear, "WEBP", lossless=True))), white)
    palette = Image.new("P", (80, 80), 3)
    palette.putpalette([0] * 768)
    assert np.array_equal(pixels(decode(encoded(palette, "PNG", transparency=3))), white)
    assert np.array_equal(pixels(decode(encoded(palette, "GIF", transparency=3))), white)
    half = Image.new("RGBA", (80, 80), (0, 0, 0, 128))
    assert set(pixels(decode(encoded(half, "PNG"))).ravel()) == {127}


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_and_not_clipped(decode: Decode, format_: str) -> None:
    grey = columns(pixels(decode(encoded(Image.fromarray(grey_steps()), format_))))
    assert grey == [0, 64, 128, 192, 255]


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_float_tiffs_are_scaled_by_the_scale_that_they_use(decode: Decode, white: float) -> None:
    values = (grey_steps() / 65535 * white).astype(np.float32)
    grey = columns(pixels(decode(encoded(Image.fromarray(values), "TIFF"))))
    assert np.allclose(grey, [0, 64, 128, 192, 255], atol=1)


def test_floats_and_integers_beyond_every_scale_are_stretched(decode: Decode) -> None:
    values = grey_steps().astype(np.int32) * 1000 - 9_000_000
    for array in (values, values.astype(np.float32)):
        grey = columns(pixels(decode(encoded(Image.fromarray(array), "TIFF"))))
        assert np.allclose(grey, [0, 64, 128, 192, 255], atol=1)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_a_picture_is_upright_and_its_size_too(decode: Decode, format_: str, turned: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # of Image.Transpose
    stored = two_colours()
    if turned in undo:
        stored = stored.transpose(Image.Transpose(undo[turned]))
    exif = Image.Exif()
    exif[0x0112] = turned
    # Given as bytes, so that HEIF gets a rotation of its own, which is what counts there.
    answer = decode(encoded(stored, format_, exif=exif.tobytes(), quality=95))
    assert isinstance(answer, Decoded)
    assert (answer.width, answer.height) == (160, 120)
    assert difference(pixels(answer), EXPECTED) <= 4.0


def test_all_turned_photos_of_the_corpus_are_the_same_picture(decode: Decode, corpus: Path) -> None:
    for shape in ("Landscape", "Portrait"):
        files = sorted((corpus / "exif" / "orientation").rglob(f"{shape}*"))
        assert len(files) == 9
        answers = [decode(file.read_bytes()) for file in files]
        sizes = {(answer.width, answer.height) for answer in answers if isinstance(answer, Decoded)}
        assert len(sizes) == 1
        first = pixels(answers[0])
        assert max(difference(pixels(answer), first) for answer in answers) < 3.0


def test_a_large_jpeg_is_drafted_to_nearly_the_same_picture(decode: Decode) -> None:
    rng = np.random.default_rng(1)
    blobs = Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8))
    photo = blobs.resize((1600, 1200), Image.Resampling.BICUBIC)
    content = encoded(photo, "JPEG", quality=92)
    with Image.open(io.BytesIO(content)) as opened:
        full = np.asarray(to_square(opened.convert("RGB"), Target(SIDE)))
    drafted = pixels(decode(content))
    assert 0.0 < difference(drafted, full) < 1.0


def test_the_date_of_the_photo_is_read(decode: Decode) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:07:21 18:30:05"
    answer = decode(encoded(two_colours(), "JPEG", exif=exif))
    assert isinstance(answer, Decoded)
    assert answer.meta.taken == "2019-07-21T18:30:05"


def test_damaged_exif_is_no_reason_to_refuse_a_photo(decode: Decode) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x87\x69\0\x04\xff" * 9
    answer = decode(encoded(two_colours(), "JPEG", exif=exif))
    assert isinstance(answer, Decoded)
    assert answer.meta.taken == ""


def test_the_first_picture_of_an_animation_is_taken(decode: Decode) -> None:
    second = Image.new("RGB", (160, 120), (0, 255, 0))
    for format_, options in (("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        content = encoded(two_colours(), format_, save_all=True, append_images=[second], **options)
        assert difference(pixels(decode(content)), EXPECTED) <= 0.5


FORMATS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"restart_marker_rows": 1}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("GIF", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "jpeg"}),
    ("BMP", {}),
    ("AVIF", {}),
    ("HEIF", {}),
]


@pytest.mark.parametrize(("format_", "options"), FORMATS)
def test_a_file_cut_anywhere_is_corrupt_and_not_filled_with_grey(
    decode: Decode, format_: str, options: dict[str, object]
) -> None:
    content = encoded(noise(320, 240), format_, **options)
    assert isinstance(decode(content), Decoded)
    for part in (0.1, 0.4, 0.7, 0.95, 0.99):
        answer = decode(content[: int(len(content) * part)])
        assert isinstance(answer, Refused), part
        assert answer.kind == "corrupt", (part, answer)
    answer = decode(content[:-100])
    assert isinstance(answer, Refused)
    assert answer.kind == "corrupt", answer


@pytest.mark.parametrize(("format_", "options"), FORMATS)
def test_what_follows_a_whole_picture_does_not_matter(
    decode: Decode, format_: str, options: dict[str, object]
) -> None:
    content = encoded(noise(320, 240), format_, **options)
    expected = pixels(decode(content))
    assert np.array_equal(pixels(decode(content + b"\0" * 3000)), expected)
    assert np.array_equal(pixels(decode(content + b"\xff\xd8\xff garbage" * 300)), expected)


def damaged_heif(damage: bytes) -> bytes:
    """A HEIF picture whose header states another width."""
    content = encoded(noise(64, 64), "HEIF")
    at = content.index(b"ispe") + 8
    return content[:at] + damage + content[at + 4 :]


@pytest.mark.parametrize("width", [0, 0xFF00_0040])
def test_an_absurd_size_in_a_heif_is_damage_and_no_want_of_memory(
    decode: Decode, width: int
) -> None:
    answer = decode(damaged_heif(struct.pack(">I", width)))
    assert isinstance(answer, Refused)
    assert answer.kind in ("corrupt", "too-large"), answer


def test_a_picture_over_the_limit_is_refused_by_its_header_alone() -> None:
    size = struct.pack(">IIBBBBB", 30000, 20000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    header = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT\x35\xaf\x06\x1e"
    with small_pool(max_pixels=50_000_000) as pool:
        fd = os.memfd_create("bomb")
        os.write(fd, header)
        answer = pool.decode_now(fd)
        os.close(fd)
    assert isinstance(answer, Refused)
    assert answer.kind == "too-large"
    assert "30,000 x 20,000" in answer.reason
    assert "50,000,000" in answer.reason
    assert "decoder.max_pixels" in answer.reason


@pytest.mark.parametrize("options", [{"lossless": True}, {}, {"save_all": True, "exif": b"Exif"}])
def test_the_limit_is_checked_before_a_webp_is_opened(options: dict[str, object]) -> None:
    # Opening it would take 8 bytes a pixel: more than the decoder may have here.
    content = encoded(Image.new("RGB", (4000, 2500)), "WEBP", method=0, **options)
    with small_pool(max_pixels=9_000_000, memory=128 << 20) as pool:
        fd = os.memfd_create("large")
        os.write(fd, content)
        answer = pool.decode_now(fd)
        os.close(fd)
    assert isinstance(answer, Refused)
    assert answer.kind == "too-large"
    assert "4,000 x 2,500" in answer.reason
