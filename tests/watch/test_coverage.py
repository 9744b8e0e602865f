from __future__ import annotations

import os
from pathlib import Path

from clipd.watch.coverage import Coverage, is_limit_reached, watch_limit
from clipd.watch.events import Events
from clipd.watch.suspend import SleepClock
from tests.watch.conftest import InotifySetting
from tests.watch.library import Library


def test_the_kernels_list_tells_which_folders_are_watched(library: Library, tmp_path: Path) -> None:
    inside, outside = library.photos / "a" / "b", tmp_path / "outside"
    inside.mkdir(parents=True)
    outside.mkdir()
    watched: list[None] = []
    events = Events(
        library.root,
        library.library,
        library.backlog,
        on_look=lambda: None,
        on_folder=lambda: watched.append(None),
        on_new_folder=lambda folder: None,
    )
    events.start()
    try:
        events.arm()
        assert len(watched) == 3
        coverage = Coverage()
        assert coverage.has(os.stat(library.photos))
        assert coverage.has(os.stat(inside))
        assert not coverage.has(os.stat(outside))
        assert len(coverage) >= 3

        events.disarm(library.root.path)
        assert not Coverage().has(os.stat(inside))
    finally:
        events.stop()


def test_the_limit_is_reached_when_the_kernel_says_so(
    tmp_path: Path, inotify_setting: InotifySetting
) -> None:
    assert not is_limit_reached(bytes(tmp_path))
    inotify_setting("max_user_watches", 0)
    assert watch_limit() == 0
    assert is_limit_reached(bytes(tmp_path))


def test_only_a_real_rest_of_the_machine_counts_as_sleep() -> None:
    slept = [0.0]
    clock = SleepClock(lambda: slept[0])
    assert not clock.has_slept()
    slept[0] = 0.01
    assert not clock.has_slept()
    slept[0] = 3600.0
    assert clock.has_slept()
    assert not clock.has_slept()
    assert not SleepClock().has_slept()
