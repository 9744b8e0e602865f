"""Pictures whose data end too early, or only seem to."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from clipd.photo import Decoded, Refused
from tests.decode.conftest import Decode, encoded, two_colours

END = b"\xff\xd9"


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(2).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(values).convert(mode)


def claiming(content: bytes, width: int, height: int) -> bytes:
    """Change the size that a JPEG states."""
    at = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def scan_of(content: bytes) -> int:
    """Where the data of the only scan begin."""
    at = content.rindex(b"\xff\xda")
    return at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def is_cut_short(answer: Decoded | Refused) -> bool:
    return isinstance(answer, Refused) and (answer.kind, answer.reason) == (
        "corrupt",
        "the JPEG data are cut short",
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_small_picture_that_claims_to_be_huge_is_refused(
    decode: Decode, options: dict[str, object]
) -> None:
    content = encoded(noise(64, 64), "JPEG", **options)
    assert is_cut_short(decode(claiming(content, 14_000, 14_000)))


def test_a_picture_that_claims_twice_its_height_is_refused(decode: Decode) -> None:
    assert is_cut_short(decode(claiming(encoded(noise(640, 480), "JPEG"), 640, 960)))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_an_end_marker_does_not_make_half_a_picture_whole(decode: Decode, mode: str) -> None:
    content = encoded(noise(640, 480, mode), "JPEG")
    start = scan_of(content)
    half = start + (len(content) - start) // 2
    assert isinstance(decode(content), Decoded)
    assert is_cut_short(decode(content[:half] + END))


def test_a_picture_damaged_near_its_end_is_still_a_photo(decode: Decode) -> None:
    content = encoded(noise(640, 480), "JPEG")
    start = scan_of(content)
    most = start + (len(content) - start) * 9 // 10
    assert isinstance(decode(content[:most] + END), Decoded)


@pytest.mark.parametrize("size", [(640, 480), (1600, 1200), (9, 9), (1, 1), (17, 2000)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_picture_that_lacks_nothing_but_its_end_marker_is_a_photo(
    decode: Decode, mode: str, size: tuple[int, int]
) -> None:
    content = encoded(noise(*size, mode), "JPEG")
    assert content.endswith(END)
    whole, without = decode(content), decode(content[:-2])
    assert isinstance(whole, Decoded)
    assert isinstance(without, Decoded)
    assert np.array_equal(whole.pixels, without.pixels)  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", [(128, 128, 128), (0, 0, 0), (255, 255, 255)])
def test_a_picture_of_one_colour_is_a_photo_though_its_data_are_few(
    decode: Decode, colour: tuple[int, int, int]
) -> None:
    plain = Image.new("RGB", (4000, 3000), colour)
    for options in ({}, {"optimize": True}, {"progressive": True}):
        assert isinstance(decode(encoded(plain, "JPEG", quality=5, **options)), Decoded)


def test_the_thumbnail_in_the_metadata_does_not_end_the_picture(decode: Decode) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + encoded(two_colours(), "JPEG")
    assert isinstance(decode(encoded(two_colours(), "JPEG", exif=exif)), Decoded)


def test_several_pictures_in_one_file_are_read_like_one(decode: Decode) -> None:
    content = encoded(two_colours(), "MPO", save_all=True, append_images=[noise(160, 120)])
    assert isinstance(decode(content), Decoded)
