"""Folders on a disk that fails in places."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.watch.listing import folder_trouble, list_folder
from tests.writepath import WritePath, write_path

BLOCK_BYTES = 1024


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no damaged disk can be made here: {done.stderr.strip()}")
    return done.stdout


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    """Three photos on a disk that has lost the inode of ``a.jpg``, the first; needs root."""
    if os.geteuid() or not all(map(shutil.which, ("mkfs.ext4", "debugfs", "mount"))):
        pytest.skip("no damaged disk can be made here")
    image, photos = tmp_path / "image", tmp_path / "photos"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    _run("mkfs.ext4", "-q", "-b", str(BLOCK_BYTES), "-O", "metadata_csum", image)
    photos.mkdir()
    _run("mount", "-o", "loop", image, photos)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (photos / name).write_bytes(name.encode())
    _run("umount", photos)
    place = re.search(r"block (\d+), offset 0x(\w+)", _run("debugfs", "-R", "imap a.jpg", image))
    assert place
    with image.open("r+b") as file:
        file.seek(int(place[1]) * BLOCK_BYTES + int(place[2], 16) + 40)
        file.write(b"damage")
    _run("mount", "-o", "loop", image, photos)
    try:
        with write_path(tmp_path) as house:
            yield house
    finally:
        subprocess.run(["umount", photos], check=True)


def test_a_file_that_the_disk_has_lost_hides_no_other(house: WritePath) -> None:
    with pytest.raises(OSError, match="Bad message"):
        os.lstat(house.path("a.jpg"))
    assert folder_trouble(house.root.path) is None
    listing = list_folder(house.rules, house.root, house.root.path)
    assert [name for name, _ in listing.files] == [b"a.jpg", b"b.jpg", b"c.jpg"]


def test_a_file_that_the_disk_has_lost_is_listed_and_looked_at_once_a_scan(
    house: WritePath,
) -> None:
    house.backlog.folder(house.root.path, deep=True)
    assert house.settle() == {house.path("b.jpg"), house.path("c.jpg")}
    (failure,) = house.reader.failures(b"", 10, False)
    assert (failure.path, failure.kind) == (house.path("a.jpg"), "unreadable")
    assert "Bad message" in failure.reason


def test_a_photo_that_the_disk_has_lost_is_not_taken_for_deleted(house: WritePath) -> None:
    photo = house.record("b.jpg", 1)
    row = house.catalog.path(house.path("b.jpg"))
    assert row is not None
    with house.catalog.writing():
        house.catalog.put_path(house.root.id, house.path("a.jpg"), row.fingerprint, photo)
    house.backlog.folder(house.root.path, deep=True)
    house.settle()
    assert house.lies_at("a.jpg") == photo
