from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipd.decode.opening import OpenPhoto, look_at, open_photo
from clipd.photo import Refused


def refusal(path: Path) -> str:
    answer = open_photo(os.fsencode(path), 1 << 20)
    assert isinstance(answer, Refused)
    return answer.kind


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "real.jpg").write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to("real.jpg")

    assert refusal(tmp_path / "fifo.jpg") == "skipped"
    assert refusal(tmp_path / "folder.jpg") == "skipped"
    assert refusal(tmp_path / "link.jpg") == "skipped"
    assert refusal(tmp_path / "gone.jpg") == "missing"
    assert refusal(tmp_path / "real.jpg" / "below.jpg") == "missing"


def test_reading_a_photo_leaves_its_access_time(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"\xff\xd8\xff content")
    os.utime(photo, ns=(0, 0))  # older than the modification: relatime would update it

    opened = open_photo(os.fsencode(photo), 1 << 20)
    assert isinstance(opened, OpenPhoto)
    os.read(opened.fd, 10)
    os.close(opened.fd)

    assert photo.stat().st_atime_ns == 0


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.jpg", b"", "empty"),
        ("a.jpg", b"\xff\xd8\xff" + bytes(100), "too-large"),
        ("a.jpg", b"<html>no such page</html>", "corrupt"),
        ("letter", b"Dear John,", "skipped"),
        ("clip", b"\0\0\0\x18ftypqt  ", "skipped"),
        ("a.jxl", b"\xff\x0a", "unsupported"),
        ("a.heic", b"\0\0\0\x18ftypqt  ", "unsupported"),
    ],
)
def test_a_file_that_needs_no_decoder_is_refused_before_one(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    fd = os.open(path, os.O_RDONLY)
    try:
        answer = look_at(fd, os.fsencode(name), max_file_bytes=64)
    finally:
        os.close(fd)
    assert isinstance(answer, Refused)
    assert answer.kind == kind
