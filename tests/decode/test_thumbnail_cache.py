from __future__ import annotations

import os
from pathlib import Path

from clipd.decode.thumbnail_cache import ThumbnailCache

JPEG = b"\xff\xd8\xff" + bytes(1000) + b"\xff\xd9"
SIDE = 256


def _hash(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_what_was_put_is_found_again_by_its_content_and_its_size(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path / "thumbnails", 1 << 20)
    assert cache.get(_hash(1), SIDE) is None
    cache.put(_hash(1), SIDE, JPEG)
    assert cache.get(_hash(1), SIDE) == JPEG
    assert cache.get(_hash(1), 1024) is None
    assert ThumbnailCache(tmp_path / "thumbnails", 1 << 20).get(_hash(1), SIDE) == JPEG


def test_half_a_file_is_none(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path, 1 << 20)
    cache.put(_hash(1), SIDE, JPEG)
    [file] = tmp_path.glob("*/*.jpg")
    file.write_bytes(JPEG[:500])
    assert cache.get(_hash(1), SIDE) is None


def test_the_folder_stays_within_its_limit_and_those_used_lately_stay(tmp_path: Path) -> None:
    cache = ThumbnailCache(tmp_path, 10 * len(JPEG))
    for number in range(10):
        cache.put(_hash(number), SIDE, JPEG)
        [file] = tmp_path.glob(f"*/{_hash(number).hex()}-*.jpg")
        os.utime(file, (number, number))
    assert cache.get(_hash(0), SIDE) == JPEG  # used now
    cache.put(_hash(10), SIDE, JPEG)
    assert sum(file.stat().st_size for file in tmp_path.glob("*/*")) <= 10 * len(JPEG)
    assert cache.get(_hash(0), SIDE) == JPEG
    assert cache.get(_hash(10), SIDE) == JPEG
    assert cache.get(_hash(1), SIDE) is None


def test_without_room_or_right_nothing_is_kept_and_nothing_is_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ThumbnailCache(tmp_path / "file" / "thumbnails", 1 << 20)
    cache.put(_hash(1), SIDE, JPEG)
    assert cache.get(_hash(1), SIDE) is None
