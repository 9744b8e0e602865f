from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clipd.ctl.last_list import ListedPhoto
from tests.ctl.conftest import Ctl


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return saved(tmp_path / "library/DSC_0001.jpg", b"one")


def saved(file: Path, data: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    os.utime(file, ns=(1_500_000_000_000_000_001, 1_400_000_000_123_456_789))
    return file


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_photos_of_the_last_list_are_copied_into_a_folder_that_is_made(
    ctl: Ctl, photo: Path, tmp_path: Path
) -> None:
    other = saved(tmp_path / "library/b.jpg", b"two")
    ctl.lists(ListedPhoto(os.fsencode(photo), 1), ListedPhoto(os.fsencode(other), 2))
    said = ctl("copy", "@1-2", str(tmp_path / "new/deep"))
    assert said.code == 0
    assert contents(tmp_path / "new/deep") == {"DSC_0001.jpg": b"one", "b.jpg": b"two"}
    assert said.lines == [f"{tmp_path}/new/deep/DSC_0001.jpg", f"{tmp_path}/new/deep/b.jpg"]
    assert "2 copied; in " in said.err


def test_times_and_permissions_are_kept(ctl: Ctl, photo: Path, tmp_path: Path) -> None:
    photo.chmod(0o640)
    before = photo.stat()
    ctl("copy", str(photo), str(tmp_path / "new"))
    made = (tmp_path / "new/DSC_0001.jpg").stat()
    assert (made.st_mtime_ns, made.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert photo.stat() == before


def test_nothing_is_overwritten_and_nothing_copied_twice(
    ctl: Ctl, photo: Path, tmp_path: Path
) -> None:
    saved(tmp_path / "new/DSC_0001.jpg", b"of another")
    saved(tmp_path / "new/DSC_0001 (2).jpg", b"and another")
    expected = {
        "DSC_0001.jpg": b"of another",
        "DSC_0001 (2).jpg": b"and another",
        "DSC_0001 (3).jpg": b"one",
    }
    assert ctl("copy", str(photo), str(tmp_path / "new")).code == 0
    assert contents(tmp_path / "new") == expected
    said = ctl("copy", str(photo), str(tmp_path / "new"))
    assert (said.code, said.out) == (0, b"")
    assert "1 there already" in said.err
    assert contents(tmp_path / "new") == expected


def test_links_point_to_the_photos(ctl: Ctl, photo: Path, tmp_path: Path) -> None:
    saved(tmp_path / "new/DSC_0001.jpg", b"of another")
    for _ in range(2):
        assert ctl("copy", "--link", str(photo), str(tmp_path / "new")).code == 0
    assert (tmp_path / "new/DSC_0001 (2).jpg").readlink() == photo
    assert len(contents(tmp_path / "new")) == 2


def test_photos_on_an_absent_drive_are_passed_over(ctl: Ctl, photo: Path, tmp_path: Path) -> None:
    absent = ListedPhoto(b"/usb/a.jpg", 1, offline=True)
    ctl.lists(absent, ListedPhoto(os.fsencode(photo), 2))
    said = ctl("copy", "@all", str(tmp_path / "new"))
    assert said.code == 0
    assert "passed over /usb/a.jpg: its drive is not there" in said.err
    assert "1 copied, 1 passed over" in said.err
    ctl.lists(absent, absent)
    assert ctl("copy", "@1,2", "/usb/b.jpg", str(tmp_path / "new")).code == 4
    assert ctl("copy", "@1,2", str(tmp_path / "new")).code == 1


def test_json_says_what_became_of_each(ctl: Ctl, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    said = ctl("copy", "--json", str(photo), "/gone.jpg", str(folder))
    assert said.code == 4
    assert json.loads(said.out) == {
        "copied": [{"path": str(photo), "copy": f"{folder}/DSC_0001.jpg"}],
        "there_already": [],
        "passed_over": [{"path": "/gone.jpg", "reason": "there is no such file"}],
    }


def test_a_folder_that_is_a_file_is_refused(ctl: Ctl, photo: Path) -> None:
    said = ctl("copy", str(photo), str(photo))
    assert said.code != 0
    assert "is a file, not a folder" in said.err


def test_a_number_without_a_folder_is_wrong_usage(ctl: Ctl, photo: Path) -> None:
    said = ctl("copy", str(photo))
    assert said.code == 2
    assert "DIR" in said.err or "PHOTOS" in said.err


def test_an_interrupted_copy_goes_on_where_it_was(ctl: Ctl, photo: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "library/b.jpg", b"two")
    ctl("copy", str(photo), str(tmp_path / "new"))
    said = ctl("copy", str(photo), str(other), str(tmp_path / "new"))
    assert "1 copied, 1 there already" in said.err
    assert len(contents(tmp_path / "new")) == 2
