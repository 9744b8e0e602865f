from __future__ import annotations

import os
from dataclasses import replace

import pytest

from clipd.photo import same
from tests.watch.conftest import LibraryMaker
from tests.watch.library import Library


def names(library: Library, paths: list[bytes]) -> list[bytes]:
    return [os.path.relpath(path, library.root.path) for path in paths]


def test_everything_is_new_to_an_empty_catalog_and_nothing_afterwards(library: Library) -> None:
    saved = {library.save(name) for name in ("a.jpg", "b/c.jpg", "b/d/e.jpg", "b-c/f.jpg")}

    assert set(library.differing()) == saved
    assert sum(library.scan().values()) == 4
    library.index_all()

    assert library.differing() == []
    assert library.scan() == {}


def test_new_changed_and_gone_files_are_found_and_no_others(library: Library) -> None:
    for name in ("a/keep.jpg", "a/change.jpg", "a/remove.jpg", "b/keep.jpg"):
        library.save(name)
    library.index_all()
    library.save("a/change.jpg", b"other content")
    library.save("a/new.jpg")
    os.unlink(library.path("a/remove.jpg"))

    assert names(library, library.differing()) == [b"a/change.jpg", b"a/new.jpg", b"a/remove.jpg"]
    assert library.scan() == {library.path("a"): 3}
    assert library.differing(deep=False) == []


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_found(library: Library) -> None:
    path = library.save("a.jpg", b"one")
    library.index_all()
    stat = os.stat(path)
    other = library.save("b.jpg", b"two")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(other, path)
    assert library.differing() == [path]


def test_all_that_was_in_a_folder_that_is_gone_is_found(library: Library) -> None:
    for name in ("a/1.jpg", "a/b/2.jpg", "a/b/c/3.jpg", "a-z/4.jpg", "z.jpg"):
        library.save(name)
    library.index_all()
    os.rename(library.path("a"), library.photos.parent / "elsewhere")

    gone = [b"a/1.jpg", b"a/b/2.jpg", b"a/b/c/3.jpg"]
    assert names(library, library.differing()) == gone
    assert names(library, library.differing("a")) == gone
    assert sum(library.scan().values()) == 3


def test_a_folder_that_became_a_file_is_gone(library: Library) -> None:
    library.save("a/1.jpg")
    library.index_all()
    os.rename(library.path("a"), library.photos.parent / "elsewhere")
    library.save("a")
    assert set(names(library, library.differing())) == {b"a", b"a/1.jpg"}


def test_names_of_any_bytes_are_found(library: Library) -> None:
    odd = [b"\xff\xfe.jpg", b"new\nline.jpg", "e\u0301.jpg".encode(), b"dir\xff/a.jpg", b" .jpg"]
    saved = {library.save(name) for name in odd}
    assert set(library.differing()) == saved
    library.index_all()
    assert library.differing() == []


def test_only_regular_files_count(library: Library) -> None:
    os.mkfifo(library.path("pipe.jpg"))
    os.symlink("/etc/hostname", library.path("link.jpg"))
    os.symlink("nowhere", library.path("dangling.jpg"))
    assert library.differing() == []


def test_folders_of_more_names_than_a_page_are_compared_whole(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.watch.scan._PAGE", 7)
    for number in range(50):
        library.save(b"many/%02d.jpg" % number)
        library.save(b"deep/%02d/a.jpg" % number)
    library.index_all()
    assert library.differing() == []
    os.unlink(library.path("many/33.jpg"))
    os.unlink(library.path("deep/44/a.jpg"))
    os.rmdir(library.path("deep/44"))
    assert names(library, library.differing()) == [b"deep/44/a.jpg", b"many/33.jpg"]


def test_what_becomes_excluded_is_reported_once_more(make_library: LibraryMaker) -> None:
    library = make_library()
    for name in ("keep/a.jpg", "private/b.jpg", "private/deep/c.jpg", "d.tmp.jpg"):
        library.save(name)
    library.index_all()

    library = make_library(exclude=("private/", "*.tmp.*"))

    assert names(library, library.differing()) == [
        b"d.tmp.jpg",
        b"private/b.jpg",
        b"private/deep/c.jpg",
    ]
    library.index_all()
    assert library.known() == {b"keep/a.jpg"}


def test_a_skipped_file_is_not_looked_at_again(library: Library) -> None:
    path = library.save("notes.txt")
    with library.catalog.writing():
        library.catalog.put_failure(library.root.id, path, None, "skipped", "not a picture", 0)
    library.save("notes.txt", b"edited")
    assert library.differing() == []
    os.unlink(path)
    assert library.differing() == [path]


def test_a_failure_without_a_fingerprint_is_tried_again(library: Library) -> None:
    path = library.save("a.jpg")
    with library.catalog.writing():
        library.catalog.put_failure(library.root.id, path, None, "missing", "went away", 0)
    assert library.differing() == [path]


def test_a_symlinked_folder_is_not_entered_by_default(library: Library) -> None:
    outside = library.photos.parent / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"x")
    os.symlink(outside, library.path("link"))
    assert library.differing() == []
    assert library.differing("link") == []


def test_followed_links_lead_outside_once_and_never_round_in_a_loop(
    make_library: LibraryMaker,
) -> None:
    library = make_library(follow_symlinks=True)
    outside = library.photos.parent / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "a.jpg").write_bytes(b"x")
    os.symlink(outside, library.path("link"))
    os.symlink(outside, outside / "inner" / "back")
    os.symlink(library.photos, outside / "home")
    os.symlink(".", library.path("self"))
    os.symlink("..", library.path("up"))
    library.save("real/b.jpg")
    os.symlink("real", library.path("inside"))

    assert names(library, library.differing()) == [b"link/inner/a.jpg", b"real/b.jpg"]


def test_files_behind_a_link_that_is_no_longer_followed_are_reported(
    make_library: LibraryMaker,
) -> None:
    library = make_library(follow_symlinks=True)
    outside = library.photos.parent / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"x")
    os.symlink(outside, library.path("link"))
    library.index_all()
    assert library.known() == {b"link/a.jpg"}

    library = make_library(follow_symlinks=False)
    library.index_all()
    assert library.known() == set()


def test_a_folder_on_the_way_that_becomes_a_link_loses_its_photos(library: Library) -> None:
    library.save("a/1.jpg")
    library.index_all()
    os.rename(library.path("a"), library.photos.parent / "elsewhere")
    os.symlink(library.photos.parent / "elsewhere", library.path("a"))
    assert names(library, library.differing("a")) == [b"a/1.jpg"]
    library.index_all()
    assert library.known() == set()


@pytest.mark.parametrize("change", ["device", "inode"])
def test_a_new_device_number_alone_differs_but_is_no_new_content(
    library: Library, change: str
) -> None:
    path = library.save("a.jpg")
    library.index_all()
    row = library.catalog.path(path)
    assert row is not None
    other = replace(row.fingerprint, **{change: 77})
    assert same(row.fingerprint, row.fingerprint) == "same"
    assert same(row.fingerprint, other) == ("refresh" if change == "device" else "changed")
    assert same(row.fingerprint, other, stable_inodes=False) == "refresh"
    grown = replace(other, size_bytes=1)
    assert same(row.fingerprint, grown, stable_inodes=False) == "changed"
