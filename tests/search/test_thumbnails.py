"""Thumbnails of photos that a real catalog knows, by a real decoder."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from clipd.config.options import DecoderConfig
from clipd.decode.desktop_thumbnails import DesktopThumbnails
from clipd.decode.pool import DecoderPool
from clipd.decode.thumbnail_cache import ThumbnailCache
from clipd.errors import RequestError
from clipd.search.thumbnails import Thumbnails
from tests.writepath import WritePath, write_path

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


@pytest.fixture
def thumbnails(house: WritePath, tmp_path: Path) -> Iterator[Thumbnails]:
    preprocess = house.spec.preprocess
    with DecoderPool(
        DecoderConfig(processes=1), preprocess, lambda _: False, lambda job, outcome: None
    ) as pool:
        cache = ThumbnailCache(tmp_path / "thumbnails", 1 << 20)
        desktop = DesktopThumbnails(tmp_path / "desktop")
        yield Thumbnails(house.reader, house.roots, pool, cache, desktop)


def paint(house: WritePath, name: str, colour: tuple[int, int, int]) -> int:
    """Put a picture where a photo of this name lies, and have the catalog know it."""
    written = io.BytesIO()
    Image.new("RGB", (640, 480), colour).save(written, "JPEG")
    house.save(name, written.getvalue())
    return house.record(name, 1, vector=False)


def test_a_photo_is_drawn_once_and_kept(house: WritePath, thumbnails: Thumbnails) -> None:
    photo = paint(house, "a.jpg", (200, 10, 10))
    jpeg = thumbnails.draw(photo, 256)
    assert Image.open(io.BytesIO(jpeg)).size == (256, 192)
    os.unlink(house.path("a.jpg"))
    assert thumbnails.draw(photo, 256) == jpeg


def test_pixels_are_those_of_the_thumbnail_that_is_kept(
    house: WritePath, thumbnails: Thumbnails
) -> None:
    photo = paint(house, "a.jpg", (200, 10, 10))
    fitted = thumbnails.fit(photo, (20, 90))
    assert (fitted.width, fitted.height, len(fitted.rgb)) == (20, 15, 900)
    assert all(abs(a - b) < 4 for a, b in zip(fitted.rgb, bytes((200, 10, 10)) * 300, strict=True))
    os.unlink(house.path("a.jpg"))
    assert thumbnails.fit(photo, (20, 90)).rgb == fitted.rgb
    with pytest.raises(RequestError, match="the file is gone"):
        thumbnails.fit(photo, (300, 90))  # for which a larger thumbnail would be needed


def test_the_picture_that_lies_there_now_is_never_shown_for_another(
    house: WritePath, thumbnails: Thumbnails
) -> None:
    photo = paint(house, "a.jpg", (200, 10, 10))
    written = io.BytesIO()
    Image.new("RGB", (640, 480), (10, 10, 200)).save(written, "JPEG")
    Path(os.fsdecode(house.path("a.jpg"))).write_bytes(written.getvalue())
    with pytest.raises(RequestError, match="the file has changed"):
        thumbnails.draw(photo, 256)


def test_a_photo_that_cannot_be_drawn_has_a_reason(
    house: WritePath, thumbnails: Thumbnails
) -> None:
    with pytest.raises(RequestError, match="there is no photo 999") as refused:
        thumbnails.draw(999, 256)
    assert refused.value.status == 404
    photo = paint(house, "a.jpg", (200, 10, 10))
    os.unlink(house.path("a.jpg"))
    with pytest.raises(RequestError, match="the file is gone") as refused:
        thumbnails.draw(photo, 256)
    assert refused.value.status == 422
