"""Photos come, go, move and change; the hits follow."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.harness import Daemon

pytestmark = pytest.mark.slow


def _top(daemon: Daemon, query: str, folder: Path) -> str:
    """The best hit of a query among those below a folder, by the real clipctl."""
    for line in daemon.ctl("search", "-n", "1000", query).stdout.decode().splitlines():
        path = line.split("\t")[1]
        if path.startswith(f"{folder}/"):
            return os.path.basename(path)
    return ""


def test_a_saved_photo_is_found_within_seconds(shared: Daemon, folder: Path) -> None:
    album.save(folder / "warm.jpg", album.new())
    shared.wait_found(folder, ["warm.jpg"])  # the encoder is awake now

    album.save(folder / "new.jpg", album.new("rainbow"))
    seconds = shared.wait_found(folder, ["warm.jpg", "new.jpg"])

    print(f"saved to found: {seconds:.2f} s")
    assert seconds < 60  # 2 s on a machine with nothing else to do; a scan comes after hours
    assert _top(shared, "rainbow", folder) == "new.jpg"


def test_a_renamed_photo_is_found_without_encoding_it_again(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])
    before = shared.worked()

    (folder / "a.jpg").rename(folder / "b.jpg")

    shared.wait_found(folder, ["b.jpg"])
    assert shared.worked() == before


def test_a_deleted_photo_is_gone_and_its_return_costs_nothing(shared: Daemon, folder: Path) -> None:
    content = album.new()
    album.save(folder / "a.jpg", content)
    shared.wait_found(folder, ["a.jpg"])
    before = shared.worked()

    (folder / "a.jpg").unlink()
    shared.wait_found(folder, [])
    shared.verify()
    album.save(folder / "a.jpg", content)

    shared.wait_found(folder, ["a.jpg"])
    assert shared.worked() == before


def test_a_copy_is_a_second_path_of_the_same_photo(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])
    photos, before = shared.status()["photos"], shared.worked()

    shutil.copy(folder / "a.jpg", folder / "copy.jpg")

    shared.wait_found(folder, ["a.jpg", "copy.jpg"])
    assert shared.status()["photos"] == photos
    assert shared.worked() == before


def test_a_hard_link_is_a_second_path_of_the_same_photo(shared: Daemon, folder: Path) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])
    photos, before = shared.status()["photos"], shared.worked()

    os.link(folder / "a.jpg", folder / "link.jpg")
    shared.wait_found(folder, ["a.jpg", "link.jpg"])
    (folder / "a.jpg").unlink()

    shared.wait_found(folder, ["link.jpg"])
    assert shared.status()["photos"] == photos
    assert shared.worked() == before
    shared.verify("--disk")  # though nobody was told that the file has one link less


def test_a_copy_to_outside_every_root_changes_nothing(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    album.save(folder / "a.jpg", album.new())
    shared.wait_found(folder, ["a.jpg"])

    shutil.copy(folder / "a.jpg", tmp_path / "outside.jpg")
    album.save(folder / "later.jpg", album.picture("beach"))

    shared.wait_found(folder, ["a.jpg", "later.jpg"])
    assert shared.found(tmp_path) == set()


def test_a_photo_moved_in_is_added_and_moved_out_is_gone(
    shared: Daemon, folder: Path, tmp_path: Path
) -> None:
    outside = album.save(tmp_path / "a.jpg", album.new())

    outside.rename(folder / "a.jpg")
    shared.wait_found(folder, ["a.jpg"])
    (folder / "a.jpg").rename(outside)

    shared.wait_found(folder, [])


def test_a_save_by_rename_over_replaces_the_content(shared: Daemon, folder: Path) -> None:
    old = album.save(folder / "a.jpg", album.picture("a cat", seed=101))
    album.save(folder / "other.jpg", album.picture("forest", seed=101))
    shared.wait_found(folder, ["a.jpg", "other.jpg"])
    assert _top(shared, "a cat", folder) == "a.jpg"
    paths = shared.wait_idle()["paths"]

    album.save(folder / ".a.jpg.tmp", album.picture("snowy mountains", seed=101)).replace(old)

    shared.wait_until(
        lambda: _top(shared, "snowy mountains", folder) == "a.jpg", what="the new content"
    )
    shared.wait_found(folder, ["a.jpg", "other.jpg"])
    assert shared.wait_idle()["paths"] == paths
    shared.verify()


def test_a_photo_written_over_in_place_is_encoded_anew(shared: Daemon, folder: Path) -> None:
    file = album.save(folder / "a.jpg", album.picture("beach", seed=102))
    shared.wait_found(folder, ["a.jpg"])
    encoded = shared.worked()[1]

    file.write_bytes(album.picture("rainbow", seed=102))

    shared.wait_until(lambda: shared.status()["encoded"] == encoded + 1, what="encoded anew")
    shared.wait_found(folder, ["a.jpg"])
    shared.verify()
