from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from clipd.photo import Fingerprint
from clipd.watch.open_files import at_rest


def rests(path: Path, settle_seconds: float = 0.3) -> bool:
    return at_rest(os.fsencode(path), Fingerprint.of(os.lstat(path)), settle_seconds)


def test_a_file_is_at_rest_when_nobody_has_it_open_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    with path.open("wb") as file:
        file.write(b"half")
        file.flush()
        os.utime(path, (1, 1))  # its age says nothing
        assert not rests(path)
    assert rests(path)
    with path.open("rb"):
        assert rests(path)


def test_a_file_mapped_for_writing_is_not_at_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    with mapping:
        assert not rests(path)
    assert rests(path)


def test_asking_often_leaves_the_process_alive_and_writers_free(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    for _ in range(50):
        assert rests(path)
        path.write_bytes(b"y")


def test_where_no_lease_is_granted_the_age_decides(tmp_path: Path, ordinary_rights: None) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    os.chown(path, 12345, -1)
    assert not rests(path, settle_seconds=600)
    os.utime(path, (1, 1))
    assert rests(path, settle_seconds=600)
    far = os.stat(path).st_mtime + 10_000_000_000
    os.utime(path, (far, far))
    assert rests(path, settle_seconds=600)
