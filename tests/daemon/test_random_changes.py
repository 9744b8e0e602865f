"""Whatever happens to a tree, in whatever order: in the end the hits are what the disk holds."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon

pytestmark = pytest.mark.slow


class Mess:
    """Changes a tree at random; the same seed makes the same changes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._random = random.Random(seed)
        self._acts: tuple[Callable[[], object], ...] = (
            self._save,
            self._save,
            self._overwrite,
            self._replace,
            self._rename,
            self._rename,
            self._copy,
            self._link,
            self._remove,
            self._hide,
            self._move_folder,
            self._copy_folder,
            self._remove_folder,
        )

    def change(self, times: int) -> None:
        """Do that many random things, one right after the other."""
        for _ in range(times):
            self._random.choice(self._acts)()

    def visible(self) -> list[str]:
        """Return every photo that should be found, relative to the folder."""
        found = []
        for base, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [os.path.join(base, name) for name in files if not name.startswith(".")]
        return [os.path.relpath(path, self.folder) for path in found]

    def _content(self) -> bytes:
        return album.picture(self._random.choice(list(album.SEED.values())))

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_dir())

    def _file(self) -> Path:
        return self._random.choice(self._files() or [self._save()])

    def _new_path(self, suffix: str = "") -> Path:
        above = self._random.choice([self.folder, *self._folders()])
        return above / f"{self._random.randrange(10**9)}{suffix}"

    def _save(self) -> Path:
        return album.save(self._new_path() / "new.jpg", self._content())

    def _overwrite(self) -> None:
        self._file().write_bytes(self._content())

    def _replace(self) -> None:
        old = self._file()
        album.save(old.with_name(".half"), self._content()).replace(old)

    def _rename(self) -> None:
        self._file().rename(self._new_path(".jpg"))

    def _copy(self) -> None:
        shutil.copy2(self._file(), self._new_path(".jpg"))

    def _link(self) -> None:
        os.link(self._file(), self._new_path(".jpg"))

    def _remove(self) -> None:
        self._file().unlink()

    def _hide(self) -> None:
        file = self._file()
        file.rename(file.with_name(f".{file.name}"))

    def _move_folder(self) -> None:
        if self._folders():
            moved = self._random.choice(self._folders())
            to = self.folder / f"moved {self._random.randrange(10**9)}"
            moved.rename(to)

    def _copy_folder(self) -> None:
        if self._folders() and len(self._files()) < 400:
            copied = self._random.choice(self._folders())
            shutil.copytree(copied, self.folder / f"copied {self._random.randrange(10**9)}")

    def _remove_folder(self) -> None:
        if self._folders():
            shutil.rmtree(self._random.choice(self._folders()))


@pytest.mark.parametrize("seed_of_mess", [1, 2, 3])
def test_after_random_changes_the_hits_are_what_the_disk_holds(
    shared: Daemon, library: Path, seed_of_mess: int
) -> None:
    folder = library / f"mess {seed_of_mess}"
    folder.mkdir()
    mess = Mess(folder, seed_of_mess)
    encoded = shared.wait_idle()["encoded"]

    for _ in range(3):
        mess.change(60)
        shared.wait_found(folder, mess.visible())

    assert shared.wait_idle()["encoded"] == encoded
    shared.verify()


def test_after_random_changes_and_kills_the_hits_are_what_the_disk_holds(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    root = album.fill(tmp_path / "root")
    mess = Mess(root, 4)
    daemon = daemons.new([root], seed=seed).start()

    for _ in range(4):
        mess.change(40)
        daemon.kill()
        mess.change(10)
        daemon.start()

    daemon.wait_found(root, mess.visible())
    assert daemon.wait_idle()["encoded"] == 0
    daemon.verify()
