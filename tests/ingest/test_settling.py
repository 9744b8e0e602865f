"""What each changed path needs, against a real catalog and real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.photo import Fingerprint
from tests.writepath import WritePath, write_path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


def test_a_new_photo_is_to_be_read(house: WritePath) -> None:
    path = house.save("new.jpg")
    assert house.look("new.jpg") == path


def test_a_photo_that_is_as_it_was_is_not_read(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    assert house.look("a.jpg") is None
    assert house.lies_at("a.jpg") == photo


def test_a_photo_with_a_new_content_is_read(house: WritePath) -> None:
    house.photo("a.jpg")
    path = house.save("a.jpg", b"another content")
    assert house.look("a.jpg") == path


@pytest.mark.parametrize("order", [("x/a.jpg", "y/a.jpg"), ("y/a.jpg", "x/a.jpg")])
def test_a_photo_in_a_renamed_folder_is_not_read_in_whatever_order_its_paths_are_seen(
    house: WritePath, order: tuple[str, str]
) -> None:
    photo = house.photo("x/a.jpg")
    os.rename(house.path("x"), house.path("y"))

    assert [house.look(name) for name in order] == [None, None]
    assert house.lies_at("x/a.jpg") is None
    assert house.lies_at("y/a.jpg") == photo


def test_a_photo_that_was_renamed_itself_is_read_to_be_sure(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    os.rename(house.path("a.jpg"), house.path("b.jpg"))

    assert house.look("b.jpg") == house.path("b.jpg")
    assert house.record("b.jpg", 1) == photo


def test_photos_that_swap_their_names_are_told_apart_by_their_bytes(house: WritePath) -> None:
    house.photo("a.jpg", 1)
    house.photo("b.jpg", 2)
    for old, new in (("a.jpg", "t.jpg"), ("b.jpg", "a.jpg"), ("t.jpg", "b.jpg")):
        os.rename(house.path(old), house.path(new))

    assert house.look("a.jpg") == house.path("a.jpg")
    assert house.look("b.jpg") == house.path("b.jpg")


def test_of_many_hard_links_one_is_read_and_the_others_follow(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    for number in range(20):
        os.link(house.path("a.jpg"), house.path(f"{number}.jpg"))

    assert house.look("0.jpg") == house.path("0.jpg")  # linking changed the inode
    house.record("0.jpg", 1)
    assert [house.look(f"{number}.jpg") for number in range(1, 20)] == [None] * 19
    assert house.look("a.jpg") is None
    assert {house.lies_at(f"{number}.jpg") for number in range(20)} == {photo}


def test_a_hard_link_that_was_written_to_is_read(house: WritePath) -> None:
    house.photo("a.jpg")
    os.link(house.path("a.jpg"), house.path("b.jpg"))
    edit_keeping_times(house.path("a.jpg"), b"Content 1")
    assert house.look("b.jpg") == house.path("b.jpg")


def test_a_new_file_with_the_inode_of_a_deleted_one_is_read(house: WritePath) -> None:
    """Cameras write many files of one size in one tick; ext4 hands out the freed inode at once."""
    seen = 0
    for _ in range(30):
        house.photo("a.jpg")
        old = os.lstat(house.path("a.jpg"))
        os.unlink(house.path("a.jpg"))
        house.save("b.jpg", b"Content 1")
        os.utime(house.path("b.jpg"), ns=(old.st_atime_ns, old.st_mtime_ns))
        seen += os.lstat(house.path("b.jpg")).st_ino == old.st_ino
        assert house.look("b.jpg") == house.path("b.jpg")
        os.unlink(house.path("b.jpg"))
    if not seen:
        pytest.skip("this file system gave no inode twice")


def test_a_photo_edited_in_place_is_read_though_size_and_time_are_kept(house: WritePath) -> None:
    house.photo("a.jpg")
    edit_keeping_times(house.path("a.jpg"), b"Content 1")
    assert house.look("a.jpg") == house.path("a.jpg")


def test_a_renamed_folder_is_known_by_inodes_alone(house: WritePath) -> None:
    photos = [house.photo(f"trip/{number}.jpg", number) for number in range(50)]
    os.rename(house.path("trip"), house.path("Rome"))

    assert [house.look(f"Rome/{number}.jpg") for number in range(50)] == [None] * 50
    assert [house.lies_at(f"Rome/{number}.jpg") for number in range(50)] == photos


def edit_keeping_times(path: bytes, content: bytes) -> None:
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size


def test_a_deleted_photo_is_forgotten_and_an_undo_is_read_to_be_sure(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    os.rename(house.path("a.jpg"), house.path(".trashed"))
    house.look("a.jpg")
    assert house.lies_at("a.jpg") is None

    os.rename(house.path(".trashed"), house.path("a.jpg"))
    assert house.look("a.jpg") == house.path("a.jpg")
    assert house.record("a.jpg", 1) == photo


def test_nothing_is_forgotten_while_the_root_is_away(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    os.rename(house.photos, house.photos.with_name("elsewhere"))
    house.look("a.jpg")  # the watcher has not noticed yet
    assert house.lies_at("a.jpg") == photo

    house.see_roots()
    house.look("a.jpg")
    assert house.lies_at("a.jpg") == photo


def test_the_photos_of_a_folder_that_is_gone_are_forgotten(house: WritePath) -> None:
    house.photo("trip/day/a.jpg", 1)
    house.photo("trip/b.jpg", 2)
    kept = house.photo("trips.jpg", 3)
    for name in ("trip/day/a.jpg", "trip/b.jpg"):
        os.unlink(house.path(name))
    os.removedirs(house.path("trip/day"))

    house.look("trip")
    assert house.known() == {b"trips.jpg"}
    assert house.lies_at("trips.jpg") == kept


def test_a_photo_whose_name_a_folder_takes_is_forgotten(house: WritePath) -> None:
    house.photo("a.jpg", 1)
    os.unlink(house.path("a.jpg"))
    inside = house.save("a.jpg/inside.jpg")

    house.look("a.jpg")
    assert house.lies_at("a.jpg") is None
    assert house.settle() == {inside}


def test_the_photos_of_a_folder_whose_name_a_photo_takes_are_forgotten(house: WritePath) -> None:
    house.photo("a.jpg/inside.jpg", 1)
    os.unlink(house.path("a.jpg/inside.jpg"))
    os.rmdir(house.path("a.jpg"))
    path = house.save("a.jpg")

    assert house.look("a.jpg") == path
    house.backlog.folder(house.root.path, deep=True)
    house.settle()
    assert house.lies_at("a.jpg/inside.jpg") is None


def test_the_photos_of_a_folder_that_becomes_a_link_to_itself_are_forgotten(
    house: WritePath,
) -> None:
    house.photo("trip/a.jpg")
    os.unlink(house.path("trip/a.jpg"))
    os.rmdir(house.path("trip"))
    os.symlink("trip", house.path("trip"))

    house.look("trip/a.jpg")
    house.settle()
    assert house.lies_at("trip/a.jpg") is None


def test_a_photo_that_becomes_a_link_is_forgotten(house: WritePath) -> None:
    house.photo("a.jpg")
    os.rename(house.path("a.jpg"), house.path(".kept"))
    os.symlink(".kept", house.path("a.jpg"))
    assert house.look("a.jpg") is None
    assert house.lies_at("a.jpg") is None


def test_hidden_takes_a_photo_out_and_visible_brings_it_back(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    os.rename(house.path("a.jpg"), house.path(".a.jpg"))
    house.look(".a.jpg")
    house.look("a.jpg")
    assert house.known() == set()

    os.rename(house.path(".a.jpg"), house.path("a.jpg"))
    assert house.look("a.jpg") == house.path("a.jpg")
    assert house.record("a.jpg", 1) == photo


def test_a_file_that_is_no_picture_is_listed_as_skipped_and_never_read(house: WritePath) -> None:
    house.save("notes.txt")
    assert house.look("notes.txt") is None
    (failure,) = house.reader.failures(b"", 10, True)
    assert (failure.path, failure.kind) == (house.path("notes.txt"), "skipped")


def test_a_photo_that_gets_the_name_of_no_picture_is_one_no_more(house: WritePath) -> None:
    house.photo("a.jpg")
    os.rename(house.path("a.jpg"), house.path("a.txt"))
    house.look("a.txt")
    house.look("a.jpg")
    assert house.reader.counts(house.model).photos == 0


def test_a_refused_file_is_read_again_only_when_it_has_changed(house: WritePath) -> None:
    path = house.save("bad.jpg")
    seen = Fingerprint.of(os.lstat(path))
    with house.catalog.writing():
        house.catalog.put_failure(house.root.id, path, seen, "corrupt", "no picture", 1000)
    assert house.look("bad.jpg") is None

    house.save("bad.jpg", b"a better picture")
    assert house.look("bad.jpg") == path


def test_a_refused_file_that_is_deleted_is_listed_no_more(house: WritePath) -> None:
    path = house.save("bad.jpg")
    with house.catalog.writing():
        house.catalog.put_failure(house.root.id, path, None, "corrupt", "no picture", 1000)
    os.unlink(path)
    house.look("bad.jpg")
    assert house.reader.failures(b"", 10, True) == []


def test_a_file_that_is_being_written_waits(house: WritePath) -> None:
    path = house.save("growing.jpg")
    with open(path, "ab"):
        assert house.look("growing.jpg") is None
        assert len(house.backlog) == 1
    assert house.backlog.take(10, 30).paths == (path,)
    assert house.look("growing.jpg") == path


def test_a_new_mount_of_the_same_disk_only_refreshes_the_rows(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    path = house.path("a.jpg")
    seen = Fingerprint.of(os.lstat(path))
    before = Fingerprint(seen.size_bytes, seen.mtime_ns, seen.ctime_ns, seen.inode, 4242)
    with house.catalog.writing():
        house.catalog.put_path(house.root.id, path, before, photo)

    assert house.look("a.jpg") is None
    row = house.catalog.path(path)
    assert row is not None
    assert row.fingerprint == seen


def test_a_path_outside_of_every_root_is_left_alone(house: WritePath, tmp_path: Path) -> None:
    (tmp_path / "stray.jpg").write_bytes(b"x")
    with house.catalog.writing():
        assert house.settler.settle(os.fsencode(tmp_path / "stray.jpg")) is None
    assert house.known() == set()
