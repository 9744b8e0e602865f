"""The files of a bulk run are those that the daemon would take up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipd.bulk.batch import RefusedFile
from clipd.bulk.photo_list import PhotoList
from clipd.config.options import Config, RootConfig, WatchConfig
from clipd.errors import BulkError


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def listed(config: Config, base: Path, *folders: Path) -> tuple[list[str], list[RefusedFile]]:
    refused: list[RefusedFile] = []
    files = PhotoList(config, folders or (base,)).files(refused.append)
    return [os.path.relpath(os.fsdecode(file.path), base) for file in files], refused


def test_pictures_are_listed_and_nothing_else(tmp_path: Path) -> None:
    lay(tmp_path, "b/a.jpg", "a.JPG", "a.jpg.xmp", "notes.txt", ".hidden.jpg", "b/.git/x.png")
    lay(tmp_path, "@eaDir/a.jpg", "no ending", "c.heic")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.JPG")
    (tmp_path / "loop").symlink_to(tmp_path)

    assert listed(Config(), tmp_path) == (["a.JPG", "c.heic", "no ending", "b/a.jpg"], [])


def test_what_the_configuration_leaves_out_is_left_out(tmp_path: Path) -> None:
    lay(tmp_path, "a.jpg", "private/b.jpg", "deep/private/c.jpg", "trash/d.jpg")
    config = Config(
        roots=(RootConfig(path=tmp_path, exclude=("/private/",)),),
        watch=WatchConfig(exclude=("trash",)),
    )

    assert listed(config, tmp_path)[0] == ["a.jpg", "deep/private/c.jpg"]
    assert listed(config, tmp_path, tmp_path / "deep")[0] == ["deep/private/c.jpg"]
    with pytest.raises(BulkError, match="is left out by the configuration"):
        listed(config, tmp_path, tmp_path / "private")


def test_a_folder_within_another_is_not_listed_twice(tmp_path: Path) -> None:
    lay(tmp_path, "a/x.jpg", "b/y.jpg")

    names, _ = listed(Config(), tmp_path, tmp_path / "a", tmp_path, tmp_path / "b", tmp_path / "b")
    assert names == ["a/x.jpg", "b/y.jpg"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BulkError, match="is no folder here"):
        PhotoList(Config(), [tmp_path / "nowhere"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    lay(tmp_path, "a/x.jpg", "b/y.jpg")
    (tmp_path / "a").chmod(0)
    try:
        names, refused = listed(Config(), tmp_path)
    finally:
        (tmp_path / "a").chmod(0o700)

    assert names == ["b/y.jpg"]
    assert [one.kind for one in refused] == ["unreadable"]
