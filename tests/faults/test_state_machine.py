"""The whole daemon against a dictionary from paths to bytes, step by step."""

from __future__ import annotations

import os
import shutil
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.daemon.harness import Daemon
from tests.faults.dice import SEED, rounds
from tests.faults.oracle import assert_agreement, catalog, hash_of
from tests.faults.pictures import picture

pytestmark = [pytest.mark.slow, pytest.mark.faults]

_CONTENTS = 24
_STEPS = 25
_PLACES = tuple(f"{folder}{name}.bmp" for folder in ("", "x/", "x/y/", "z/") for name in "abc")
_serial = count()

_places = st.sampled_from(_PLACES)
_contents = st.integers(0, _CONTENTS - 1).map(picture)
_folders = st.sampled_from(("x", "x/y", "z"))


class Library(RuleBasedStateMachine):
    """A folder of the daemon's root, and what must be true of it."""

    daemon: Daemon
    root: Path

    def __init__(self) -> None:
        super().__init__()
        name = f"example {next(_serial)}"
        self.folder = self.root / name
        self.away = self.root.parent / f"away of {name}"
        self.folder.mkdir()
        self.photos: dict[str, bytes] = {}
        self.photos_away: dict[str, bytes] = {}

    @rule(place=_places, content=_contents)
    def save(self, place: str, content: bytes) -> None:
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        self.photos[place] = content

    @rule(place=_places, content=_contents, keeps_times=st.booleans())
    def overwrite(self, place: str, content: bytes, keeps_times: bool) -> None:
        if place in self.photos:
            file = self.folder / place
            before = file.stat()
            with file.open("r+b") as opened:
                opened.write(content)
            if keeps_times:
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            self.photos[place] = content

    @rule(old=_places, new=_places, content=_contents)
    def replace_by_a_file_with_its_inode(self, old: str, new: str, content: bytes) -> None:
        if old in self.photos:
            before = (self.folder / old).stat()
            self.remove(old)
            self.save(new, content)
            os.utime(self.folder / new, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(place=_places)
    def remove(self, place: str) -> None:
        if place in self.photos:
            (self.folder / place).unlink()
            del self.photos[place]

    @rule(old=_places, new=_places)
    def rename(self, old: str, new: str) -> None:
        if old in self.photos:
            (self.folder / new).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / old).rename(self.folder / new)
            self.photos[new] = self.photos[old]
            if old != new:
                del self.photos[old]

    @rule(old=_places, new=_places)
    def copy(self, old: str, new: str) -> None:
        if old in self.photos and old != new:
            self.save(new, self.photos[old])
            shutil.copystat(self.folder / old, self.folder / new)

    @rule(folder=_folders)
    def rename_folder(self, folder: str) -> None:
        to = self.folder / f"{folder} renamed {next(_serial)}"
        if (self.folder / folder).exists():
            (self.folder / folder).rename(to)
            kept = {
                self._moved(place, folder, to.name): content
                for place, content in self.photos.items()
            }
            self.photos = kept

    @rule(folder=_folders)
    def move_out(self, folder: str) -> None:
        if (self.folder / folder).exists() and not self.away.exists():
            (self.folder / folder).rename(self.away)
            gone = [place for place in self.photos if place.startswith(f"{folder}/")]
            self.photos_away = {place[len(folder) + 1 :]: self.photos.pop(place) for place in gone}

    @rule()
    def move_in(self) -> None:
        if self.away.exists():
            name = f"back {next(_serial)}"
            self.away.rename(self.folder / name)
            self.photos |= {
                f"{name}/{place}": content for place, content in self.photos_away.items()
            }

    @rule(folder=_folders)
    def remove_folder(self, folder: str) -> None:
        shutil.rmtree(self.folder / folder, ignore_errors=True)
        gone = [place for place in self.photos if place.startswith(f"{folder}/")]
        for place in gone:
            del self.photos[place]

    @rule()
    def kill_and_start(self) -> None:
        self.daemon.kill()
        self.daemon.start()

    @rule()
    def rescan(self) -> None:
        self.daemon.ctl("rescan")

    @rule()
    def agree(self) -> None:
        expected = {
            os.fsencode(self.folder / place): content for place, content in self.photos.items()
        }
        assert_agreement(self.daemon, expected, seconds=30, pictures=8)

    def teardown(self) -> None:
        try:
            self.agree()
        finally:
            shutil.rmtree(self.folder)
            shutil.rmtree(self.away, ignore_errors=True)
            self.daemon.wait_until(lambda: not catalog(self.daemon)[0], what="an empty catalog")

    @staticmethod
    def _moved(place: str, folder: str, to: str) -> str:
        if not place.startswith(f"{folder}/"):
            return place
        return os.path.join(os.path.dirname(folder), to, place[len(folder) + 1 :])


def test_the_daemon_is_a_dictionary_from_paths_to_bytes(daemon: Daemon, root: Path) -> None:
    known = root / "known"
    known.mkdir()
    for number in range(_CONTENTS):
        (known / f"{number}.bmp").write_bytes(picture(number))
    daemon.start()
    daemon.wait_until(lambda: len(catalog(daemon)[0]) == _CONTENTS, what="all contents known")
    daemon.wait_idle()
    shutil.rmtree(known)  # what follows is quick, for these contents are encoded already

    machine = type("Example", (Library,), {"daemon": daemon, "root": root})
    run_state_machine_as_test(
        seed(SEED)(machine),
        settings=settings(
            max_examples=rounds(40),
            stateful_step_count=_STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink would be to wait for a minute at each step
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert daemon.wait_idle()["encoded"] <= _CONTENTS
    assert hash_of(picture(0)) not in catalog(daemon)[0].values()
    daemon.stop()
