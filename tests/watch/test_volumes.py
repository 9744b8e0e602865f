"""Cards and drives that come and go at one place, and what becomes of their photos."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.watch.conftest import Mounting
from tests.watch.library import Library


def save_card(library: Library, folder: str, text: str, count: int) -> None:
    for number in range(count):
        name = f"{folder}/IMG_{number}.jpg".lstrip("/")
        library.save(name, f"{text} {number}".encode())


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("where", ["card", ""])
def test_a_card_with_the_same_names_hides_no_photo_of_the_first(
    library: Library, mounting: Mounting, where: str
) -> None:
    mount = library.photos / where
    first, second = library.photos.parent / "first", library.photos.parent / "second"

    mounting(mount)
    save_card(library, where, "first card", 4)
    shutil.copytree(mount, first)
    library.index_all()
    known = library.live_photos()
    assert len(known) == 4

    unmount(mount)
    library.index_all()
    mounting(mount)
    save_card(library, where, "the second card", 2)
    shutil.copytree(mount, second)
    library.index_all()
    assert library.live_photos() > known, "the first card's photos are gone"
    assert library.offline_photos() == known
    both = library.live_photos()
    assert len(both) == 6

    unmount(mount)
    mounting(mount)
    shutil.copytree(first, mount, dirs_exist_ok=True)
    library.index_all()
    assert library.live_photos() == both
    assert library.offline_photos() == both - known
    assert library.differing() == []

    unmount(mount)
    mounting(mount)
    shutil.copytree(second, mount, dirs_exist_ok=True)
    library.index_all()
    assert library.offline_photos() == known
    assert library.reader.damage().sentences == []


def test_a_card_that_returns_is_known_though_its_times_were_lost(
    library: Library, mounting: Mounting
) -> None:
    mount = library.photos / "card"
    mounting(mount)
    save_card(library, "card", "first card", 4)
    library.index_all()
    known = library.live_photos()
    unmount(mount)
    mounting(mount)
    save_card(library, "card", "first card", 4)
    library.index_all()
    assert library.live_photos() == known
    assert library.offline_photos() == set()


def test_photos_on_a_disk_below_a_root_are_offline_while_it_is_away(
    library: Library, mounting: Mounting
) -> None:
    mount = library.photos / "disk"
    mounting(mount)
    save_card(library, "disk/2024", "disk", 3)
    library.save("beside.jpg")
    library.index_all()
    assert library.offline_photos() == set()
    on_disk = library.live_photos() - {library.photo_of("beside.jpg")}

    unmount(mount)
    library.index_all()
    assert library.offline_photos() == on_disk
    assert f"{mount}: what was mounted there is not there now" in next(
        library.roots.volumes(library.root).problems()
    )

    library.reopen()  # the same after a start without the disk
    library.check()
    assert library.offline_photos() == on_disk

    # A file saved where the disk will be mounted is not on it.
    library.save("disk/new.jpg")
    library.index_all()
    assert library.offline_photos() == on_disk


def test_a_disk_that_will_not_return_can_be_given_up(library: Library, mounting: Mounting) -> None:
    mount = library.photos / "disk"
    mounting(mount)
    save_card(library, "disk", "disk", 3)
    library.save("beside.jpg")
    library.index_all()
    unmount(mount)
    library.index_all()
    assert len(library.known()) == 4

    assert library.roots.volumes(library.root).give_up(bytes(mount))
    library.index_all()
    assert library.known() == {b"beside.jpg"}


@pytest.mark.slow
@pytest.mark.parametrize("is_seen_gone", [True, False], ids=["slowly", "at once"])
def test_a_card_is_swapped_while_it_is_watched(
    library: Library, mounting: Mounting, is_seen_gone: bool
) -> None:
    mount = library.photos / "card"
    mounting(mount)
    save_card(library, "card", "first card", 4)
    with library.watched():
        library.work_until(lambda: len(library.live_photos()) == 4)
        library.work_until_idle()
        known = library.live_photos()
        unmount(mount)
        if is_seen_gone:
            library.work_until(lambda: library.offline_photos() == known)
        mounting(mount)
        save_card(library, "card", "the second card", 2)
        library.work_until(lambda: len(library.live_photos()) == 6)
        library.work_until_idle()
        assert library.offline_photos() == known
