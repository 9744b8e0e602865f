"""Thumbnails that the desktop made serve where they are right, and only there."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from clipd.decode.desktop_thumbnails import DesktopThumbnails
from clipd.decode.pool import DecoderPool
from clipd.photo import Drawn
from tests.decode.conftest import Decode
from tests.decode.desktop import Made

pytestmark = pytest.mark.slow
RED = (200, 20, 20)
LONG_AGO = 1_700_000_000


@pytest.fixture(scope="module")
def drawing(pool: DecoderPool, decode: Decode) -> DecoderPool:
    """The pool, once its child has started: that belongs to the module, not to a test."""
    return pool


@pytest.fixture
def made(tmp_path: Path) -> Made:
    photo = tmp_path / "photos" / "a b;ü#%[1].jpg"
    photo.parent.mkdir()
    Image.new("RGB", (2000, 1500), RED).save(photo)
    os.utime(photo, (LONG_AGO, LONG_AGO))
    return Made(photo, tmp_path / "thumbnails")


def is_of_desktop(pool: DecoderPool, made: Made, side: int = 256) -> bool:
    outcome = pool.draw_now(bytes(made.photo), 0, side, DesktopThumbnails(made.folder))
    assert isinstance(outcome, Drawn)
    picture = Image.open(io.BytesIO(outcome.jpeg))
    assert max(picture.size) == side
    red, _, blue = picture.getpixel((5, 5))  # type: ignore[misc]
    return bool(blue > red)


def test_one_of_the_desktop_spares_reading_the_photo(drawing: DecoderPool, made: Made) -> None:
    before = made.save().stat()
    assert is_of_desktop(drawing, made)
    after = made.file.stat()
    assert (after.st_mtime_ns, after.st_atime_ns) == (before.st_mtime_ns, before.st_atime_ns)
    assert not is_of_desktop(drawing, made, side=1024)


def test_a_large_one_serves_every_side(drawing: DecoderPool, made: Made) -> None:
    replace(made, kind="xx-large", size=(1024, 768)).save()
    assert is_of_desktop(drawing, made)
    assert is_of_desktop(drawing, made, side=1024)


def test_an_address_as_qt_writes_it_is_understood(drawing: DecoderPool, made: Made) -> None:
    address = made.address.replace("%3B", ";")
    assert address != made.address
    file = replace(made, uri=address).save()
    file.rename(file.with_name(hashlib.md5(address.encode()).hexdigest() + ".png"))
    assert is_of_desktop(drawing, made)


@pytest.mark.parametrize(
    "wrong",
    [
        {"uri": "file:///other.jpg"},
        {"mtime": str(LONG_AGO - 1)},
        {"mtime": f"{LONG_AGO}.0"},
        {"size": (255, 190)},
        {"kind": "normal"},
        {"format": "JPEG"},
        {"size": (4000, 3000)},
    ],
)
def test_one_that_is_not_what_it_should_be_is_passed_over(
    drawing: DecoderPool, made: Made, wrong: dict[str, object]
) -> None:
    replace(made, **wrong).save()  # type: ignore[arg-type]
    assert not is_of_desktop(drawing, made)


def test_one_that_may_show_what_the_file_was_before_is_passed_over(
    drawing: DecoderPool, made: Made
) -> None:
    file = made.save()
    # The content changes within the second that both say.
    Image.new("RGB", (2000, 1500), (190, 30, 20)).save(made.photo)
    os.utime(made.photo, ns=(LONG_AGO * 10**9 + 500, LONG_AGO * 10**9 + 500))
    changed = made.photo.stat().st_ctime_ns
    os.utime(file, ns=(changed, changed))
    assert not is_of_desktop(drawing, made)
    os.utime(file, ns=(changed + 10**9, changed + 10**9))
    assert is_of_desktop(drawing, made)


def test_what_is_no_file_or_no_picture_is_passed_over(
    drawing: DecoderPool, made: Made, tmp_path: Path
) -> None:
    file = made.save()
    elsewhere = file.rename(tmp_path / "elsewhere.png")
    file.symlink_to(elsewhere)
    assert not is_of_desktop(drawing, made)
    file.unlink()
    os.mkfifo(file)
    assert not is_of_desktop(drawing, made)
    file.unlink()
    content = elsewhere.read_bytes()
    for broken in (b"", content[: len(content) // 2], b"\x89PNG\r\n\x1a\n" + os.urandom(500)):
        file.write_bytes(broken)
        in_time = made.photo.stat().st_ctime_ns + 5 * 10**9
        os.utime(file, ns=(in_time, in_time))
        assert not is_of_desktop(drawing, made)
