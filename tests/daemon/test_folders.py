"""Folders come, go, move and hide; what lies in them follows."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.harness import Daemon

pytestmark = pytest.mark.slow


def test_a_folder_moved_in_within_and_out_takes_its_photos_along(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    album.fill(tmp_path / "trip/day 1")
    names = [f"day 1/{name}" for name in album.SEED]

    (tmp_path / "trip").rename(folder / "trip")
    shared.wait_found(folder, [f"trip/{name}" for name in names])
    before = shared.worked()
    (folder / "trip").rename(folder / "holiday")
    shared.wait_found(folder, [f"holiday/{name}" for name in names])
    (folder / "holiday/day 1/cat.jpg").rename(folder / "cat.jpg")  # watched under its new name
    shared.wait_until(lambda: b"cat.jpg" in shared.found(folder), what="cat.jpg")
    (folder / "holiday").rename(tmp_path / "gone")

    shared.wait_found(folder, ["cat.jpg"])
    assert shared.worked() == before
    shared.verify()


def test_a_deleted_folder_takes_its_photos_along(shared: Daemon, folder: Path) -> None:
    album.fill(folder / "a/b")
    album.save(folder / "stays.jpg", album.picture("beach"))
    shared.wait_found(folder, ["stays.jpg", *(f"a/b/{name}" for name in album.SEED)])

    shutil.rmtree(folder / "a")

    shared.wait_found(folder, ["stays.jpg"])
    shared.verify()


def test_photos_saved_into_folders_that_are_being_made_are_not_missed(
    shared: Daemon, folder: Path
) -> None:
    names = [f"{a}/{b}/{c}/{c}.jpg" for a in "abc" for b in "abc" for c in "abc"]

    for name in names:
        album.save(folder / name, album.picture("beach"))

    shared.wait_found(folder, names)


def test_hidden_files_are_ignored_until_they_are_shown(shared: Daemon, folder: Path) -> None:
    album.save(folder / ".hidden.jpg", album.picture("beach"))
    album.save(folder / ".folder/a.jpg", album.picture("beach"))
    album.save(folder / "seen.jpg", album.picture("beach"))
    shared.wait_found(folder, ["seen.jpg"])

    (folder / ".hidden.jpg").rename(folder / "shown.jpg")
    (folder / ".folder").rename(folder / "folder")
    shared.wait_found(folder, ["seen.jpg", "shown.jpg", "folder/a.jpg"])
    (folder / "shown.jpg").rename(folder / ".hidden.jpg")
    (folder / "folder").rename(folder / ".folder")

    shared.wait_found(folder, ["seen.jpg"])


def test_symlinks_make_no_loop_and_show_nothing_twice(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    album.save(folder / "real/a.jpg", album.picture("beach"))
    album.save(tmp_path / "elsewhere.jpg", album.picture("forest"))
    (folder / "alias").symlink_to(folder / "real")
    (folder / "real/cycle").symlink_to(folder)
    (folder / "dangling.jpg").symlink_to(folder / "none.jpg")
    (folder / "alias.jpg").symlink_to(folder / "real/a.jpg")
    (folder / "away.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    shared.ctl("rescan")

    shared.wait_found(folder, ["real/a.jpg"])
    shared.wait_idle()
    assert shared.found(folder) == {b"real/a.jpg"}
    base = os.fsencode(folder)
    assert not [path for path in shared.errors() if path.startswith(base)]


def test_things_that_are_no_files_are_left_alone(shared: Daemon, folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")  # to open it would wait for ever
    (folder / "folder.jpg").mkdir()
    album.save(folder / "folder.jpg/a.jpg", album.picture("beach"))
    album.save(folder / "b.jpg", album.picture("beach"))

    shared.wait_found(folder, ["folder.jpg/a.jpg", "b.jpg"])
    shared.wait_idle()
