from __future__ import annotations

import subprocess
import sys

import pytest

from clipd.decode.formats import is_picture_name, skip_reason, sniff, unread_format
from tests.decode.conftest import encoded, two_colours


@pytest.mark.parametrize(
    ("name", "is_picture"),
    [
        (b"a.jpg", True),
        (b"a.JPEG", True),
        (b"IMG_1.HEIC", True),
        (b"a.cr2", True),
        (b"a.jxl", True),  # not read, but listed
        (b"photo", True),  # no ending: its content decides
        (b"\xff\xfe.jpg", True),
        (b"a.jpg.part", False),
        (b"notes.txt", False),
        (b"clip.mp4", False),
        (b"a.jp\xff", False),
    ],
)
def test_the_name_tells_what_is_handed_to_a_decoder(name: bytes, is_picture: bool) -> None:
    assert is_picture_name(name) is is_picture


def test_a_skipped_name_is_explained() -> None:
    assert skip_reason(b"notes.TXT") == "not a picture by its name (.txt)"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_formats_are_told_by_their_first_bytes_whatever_the_name(format_: str) -> None:
    assert sniff(encoded(two_colours(), format_)[:512], b"misnamed.gif") == format_


@pytest.mark.parametrize(
    ("head", "name", "word"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"", "HEIF"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", b"", "AVIF"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", b"", "RAW"),
        (b"II*\0\x10\0\0\0CR\x02\0", b"", "RAW"),
        (b"II*\0\x08\0\0\0", b"a.tif", "TIFF"),
        (b"II*\0\x08\0\0\0", b"a.NEF", "RAW"),
        (b"\xff\xd8\xff\xe0", b"a.nef", "JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp41", b"", ""),
        (b"BMW is a maker of cars", b"", ""),
        (b"", b"", ""),
    ],
)
def test_containers_and_raw_pictures_are_told_apart(head: bytes, name: bytes, word: str) -> None:
    assert sniff(head, name) == word


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"P6\n3 3\n255\n", "PNM"),
        (b"8BPS\0\x01", "Photoshop"),
        (b'<?xml version="1.0"?>\n<svg width="3">', "SVG"),
        (b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0", "icon"),
        (b"<html><body>", ""),
    ],
)
def test_pictures_that_are_not_read_are_named(head: bytes, word: str) -> None:
    assert sniff(head) == ""
    assert unread_format(head) == word


@pytest.mark.parametrize("module", ["formats", "opening", "pool"])
def test_the_daemon_uses_this_without_loading_pillow(module: str) -> None:
    code = f"import sys, clipd.decode.{module}; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
