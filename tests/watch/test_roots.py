from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import threading

import pytest

from tests.watch.conftest import Mounting
from tests.watch.library import Library


def state_of(library: Library) -> tuple[str, str]:
    library.check()
    state = library.roots.state(library.root.id)
    return state.state, state.reason


def device_of(library: Library, path: bytes) -> int:
    row = library.catalog.path(path)
    assert row is not None
    return row.fingerprint.device


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipd.watch.root_record._GRACE_SECONDS", 0)


def test_a_root_seen_for_the_first_time_gives_its_identity_once(library: Library) -> None:
    stat = os.stat(library.photos)
    change = library.roots.check(library.root)
    assert change is not None
    assert change.identity == (stat.st_dev, stat.st_ino)
    assert (change.before, change.now.state) == (None, "online")
    assert library.roots.check(library.root) is None


def test_absence_proves_deletion_in_a_root_that_is_online(library: Library) -> None:
    path = library.save("a/b.jpg")
    library.index_all()
    shutil.rmtree(library.path("a"))
    assert library.roots.is_proof(library.root, path, device_of(library, path))


def test_absence_proves_nothing_when_the_root_is_away(library: Library) -> None:
    path = library.save("a.jpg")
    library.index_all()
    library.photos.rename(library.photos.parent / "away")
    # Not even before the next check has noticed it.
    assert not library.roots.is_proof(library.root, path, device_of(library, path))
    assert state_of(library) == ("offline", "the folder is missing")


def test_an_empty_root_with_known_photos_is_offline_until_it_is_accepted(library: Library) -> None:
    path = library.save("a.jpg")
    library.index_all()
    os.unlink(path)
    os.mkdir(library.path("lost+found"))

    state, reason = state_of(library)
    assert state == "offline"
    assert f"`clipctl rescan {shlex.quote(str(library.photos))}`" in reason
    assert not library.roots.is_proof(library.root, path, device_of(library, path))

    library.roots.accept_empty(library.root.id)
    assert state_of(library) == ("online", "")
    assert library.roots.is_proof(library.root, path, device_of(library, path))


def test_another_folder_in_the_place_of_a_root_is_offline(library: Library) -> None:
    library.save("a.jpg")
    library.index_all()
    library.photos.rename(library.photos.parent / "away")
    library.photos.mkdir()
    library.save("other.jpg")

    state, reason = state_of(library)
    assert state == "offline"
    assert reason.startswith("it is another folder now")


def test_a_copy_of_the_same_photos_in_the_place_of_a_root_is_taken_for_it(library: Library) -> None:
    library.save("a.jpg")
    library.save("b/c.jpg")
    library.index_all()
    away = library.photos.parent / "away"
    library.photos.rename(away)
    shutil.copytree(away, library.photos)
    assert state_of(library) == ("online", "")
    stat = os.stat(library.photos)
    assert library.reader.root_identity(library.root.id) == (stat.st_dev, stat.st_ino)


def test_a_file_in_the_place_of_a_root_is_no_root(library: Library) -> None:
    library.photos.rmdir()
    library.photos.write_bytes(b"")
    assert state_of(library) == ("offline", "it is not a folder")


def test_a_root_that_cannot_be_read_is_offline(library: Library, ordinary_rights: None) -> None:
    library.save("a.jpg")
    library.index_all()
    library.photos.chmod(0)
    try:
        assert state_of(library) == ("offline", "the folder cannot be read: Permission denied")
    finally:
        library.photos.chmod(0o700)
    assert state_of(library) == ("online", "")


def test_a_disk_unmounted_below_a_root_takes_no_photo_with_it(
    library: Library, mounting: Mounting
) -> None:
    mounting(library.photos / "disk")
    on_disk = library.save("disk/a/b.jpg")
    beside = library.save("c.jpg")
    library.index_all()
    device = device_of(library, on_disk)
    subprocess.run(["umount", str(library.photos / "disk")], check=True)
    os.unlink(beside)

    library.index_all()
    assert library.known() == {b"disk/a/b.jpg"}

    mounting(library.photos / "disk")
    library.save("disk/other.jpg")
    assert device_of(library, on_disk) == device


def test_photos_deleted_while_the_device_had_another_number_are_forgotten(
    library: Library, mounting: Mounting
) -> None:
    mounting(library.photos)
    for name in ("a.jpg", "b.jpg", "c/d.jpg"):
        library.save(name)
    library.index_all()
    away = library.photos.parent / "away"
    shutil.copytree(library.photos, away)
    subprocess.run(["umount", str(library.photos)], check=True)
    assert state_of(library)[0] == "offline"

    # The same photos on a new mount, so with another device number, but for two.
    mounting(library.photos)
    shutil.copytree(away, library.photos, dirs_exist_ok=True)
    os.unlink(library.path("b.jpg"))
    shutil.rmtree(library.path("c"))
    assert state_of(library) == ("online", "")
    library.index_all()
    assert library.known() == {b"a.jpg"}


def test_degraded_is_less_than_offline_and_more_than_online(library: Library) -> None:
    library.roots.degrade(library.root.id, "few watches")
    assert state_of(library) == ("degraded", "few watches")
    shutil.rmtree(library.photos)
    assert state_of(library)[0] == "offline"
    library.photos.mkdir()
    assert state_of(library) == ("degraded", "few watches")
    library.roots.degrade(library.root.id, "")
    assert state_of(library) == ("online", "")


def test_a_path_belongs_to_the_root_that_it_lies_in(library: Library) -> None:
    assert library.roots.of(library.path("a/b")) == library.root
    assert library.roots.of(library.root.path) == library.root
    assert library.roots.of(library.root.path + b"-2/a") is None


def test_one_waits_for_the_first_look_at_every_root_and_no_longer(library: Library) -> None:
    assert not library.roots.await_first_looks(0.05)
    looking = threading.Timer(0.1, library.roots.check, [library.root])
    looking.start()
    assert library.roots.await_first_looks(30)
    assert library.roots.state(library.root.id).state == "online"
    library.photos.rename(library.photos.parent / "away")
    assert state_of(library) == ("offline", "the folder is missing")
    assert library.roots.await_first_looks(0)
    looking.join()
