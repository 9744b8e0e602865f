from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TypeVar

import pytest
from watchdog.observers.inotify import InotifyEmitter, InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyFD

from clipd.errors import WatchError
from clipd.watch.coverage import Coverage
from tests.watch.conftest import InotifySetting, LibraryMaker, Mounting
from tests.watch.library import Library

T = TypeVar("T", bound=threading.Thread)


def threads(kind: type[T]) -> list[T]:
    """The running threads of a kind that watchdog has."""
    return [thread for thread in threading.enumerate() if isinstance(thread, kind)]


def the_thread(kind: type[T]) -> T:
    """The one running thread of a kind that watchdog has."""
    (found,) = threads(kind)
    return found


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipd.watch.root_watcher.CHECK_SECONDS", 0.1)
    monkeypatch.setattr("clipd.watch.full_scan._GRACE_SECONDS", 0.1)


def test_what_was_there_before_is_found_at_the_start(library: Library) -> None:
    for name in ("a.jpg", "b/c.jpg"):
        library.save(name)
    with library.watched() as watcher:
        library.work_until_idle()
        assert library.known() == {b"a.jpg", b"b/c.jpg"}
        assert watcher.state().watches >= 2
        assert watcher.state().scanned_at
        assert watcher.state().problems == ()
        assert library.roots.state(library.root.id).state == "online"


def test_photos_on_a_disk_never_seen_before_do_not_wait_for_the_next_look_at_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.watch.root_watcher.CHECK_SECONDS", 3600.0)
    library.save("a.jpg")
    with library.watched():
        library.work_until(lambda: library.known() == {b"a.jpg"})


def test_saved_renamed_and_removed_files_are_noticed(library: Library) -> None:
    library.save("old.jpg")
    with library.watched():
        library.work_until_idle()

        library.save("new/deep/a.jpg")
        library.work_until(lambda: b"new/deep/a.jpg" in library.known())

        os.rename(library.path("new/deep/a.jpg"), library.path("b.jpg"))
        os.unlink(library.path("old.jpg"))
        library.work_until(lambda: library.known() == {b"b.jpg"})

        library.save("b.tmp", b"edited")
        os.replace(library.path("b.tmp"), library.path("b.jpg"))
        library.work_until(lambda: library.differing() == [])


def test_rights_and_times_that_change_are_noticed(library: Library, ordinary_rights: None) -> None:
    path = library.save("a.jpg")
    closed = library.photos / "closed"
    closed.mkdir(0)
    with library.watched():
        library.work_until_idle()
        os.utime(path, (1, 1))
        library.work_until(lambda: path not in library.differing())
        os.chmod(path, 0o400)
        library.work_until(lambda: path not in library.differing())

        closed.chmod(0o700)
        (closed / "b.jpg").write_bytes(b"x")
        library.work_until(lambda: b"closed/b.jpg" in library.known())
        library.save("closed/c.jpg")
        library.work_until(lambda: b"closed/c.jpg" in library.known())
        assert library.roots.state(library.root.id).state == "online"


def test_folders_moved_in_within_and_out_are_noticed(library: Library) -> None:
    outside = library.photos.parent / "outside"
    (outside / "x").mkdir(parents=True)
    (outside / "x" / "1.jpg").write_bytes(b"1")
    (outside / "2.jpg").write_bytes(b"2")
    with library.watched():
        library.work_until_idle()

        os.rename(outside, library.path("in"))
        library.work_until(lambda: library.known() == {b"in/x/1.jpg", b"in/2.jpg"})
        os.rename(library.path("in"), library.path("within"))
        library.work_until(lambda: library.known() == {b"within/x/1.jpg", b"within/2.jpg"})
        library.save("within/x/3.jpg")
        library.work_until(lambda: b"within/x/3.jpg" in library.known())
        os.rename(library.path("within"), outside)
        library.work_until(lambda: library.known() == set())


def test_hidden_files_appear_when_they_are_renamed_and_vanish_again(library: Library) -> None:
    library.save(".x.jpg")
    library.save("y.jpg")
    with library.watched():
        library.work_until(lambda: library.known() == {b"y.jpg"})
        os.rename(library.path(".x.jpg"), library.path("x.jpg"))
        library.work_until(lambda: library.known() == {b"x.jpg", b"y.jpg"})
        os.rename(library.path("x.jpg"), library.path(".x.jpg"))
        library.work_until(lambda: library.known() == {b"y.jpg"})


def test_odd_names_are_noticed(library: Library) -> None:
    with library.watched():
        library.work_until_idle()
        for name in (b"\xff\xfe.jpg", b"new\nline.jpg", b"d\xff/a.jpg"):
            library.save(name)
            library.work_until(lambda name=name: name in library.known())  # type: ignore[misc]


@pytest.mark.slow
def test_nothing_is_missed_of_trees_renamed_while_they_are_copied(library: Library) -> None:
    source = library.photos.parent / "source"
    for folder in range(30):
        (source / str(folder) / "sub").mkdir(parents=True)
        (source / str(folder) / "sub" / "a.jpg").write_bytes(b"x")
    with library.watched():
        library.work_until_idle()
        for number in range(20):
            temporary = library.photos / f"{number}.tmp"
            shutil.copytree(source, temporary)
            temporary.rename(library.photos / str(number))
            library.work()
        library.watcher.rescan(None)
        library.work_until_idle()
        library.work_until(lambda: library.known() == library.on_disk())
        # Not only found now: every folder has its watch.
        for number in range(20):
            for folder in range(30):
                library.save(f"{number}/{folder}/sub/b.jpg")
        library.work_until(lambda: library.known() == library.on_disk())


@pytest.mark.slow
def test_every_folder_of_trees_renamed_while_they_are_copied_is_watched_soon(
    library: Library,
) -> None:
    source = library.photos.parent / "source"
    for folder in range(6):
        (source / str(folder) / "sub").mkdir(parents=True)
        (source / str(folder) / "sub" / "a.jpg").write_bytes(b"x")
    with library.watched() as watcher:
        library.work_until_idle()
        scanned_at = watcher.state().scanned_at
        for number in range(60):
            temporary = library.photos / f"{number}.tmp"
            subprocess.run(["cp", "-r", str(source), str(temporary)], check=True)
            temporary.rename(library.photos / str(number))
        all_folders = [path for path, _, _ in os.walk(library.root.path)]
        library.work_until(lambda: not Coverage().missing(all_folders))
        for path in all_folders:
            library.save(os.path.join(path, b"b.jpg"))
        library.work_until(lambda: library.known() == library.on_disk())
        assert watcher.state().scanned_at == scanned_at, "only a full scan found it"


def test_watchdog_has_the_private_members_that_are_used(library: Library) -> None:
    with library.watched():
        library.work_until_idle()
        observer = the_thread(InotifyObserver)
        assert isinstance(observer._inotify_fd, InotifyFD)
        (emitter,) = observer.emitters
        assert isinstance(emitter, InotifyEmitter)
        assert type(emitter) is observer._emitter_class
        assert isinstance(emitter._inotify, InotifyWatchGroup)
        with emitter._inotify._lock:
            emitter._inotify._add_all_callbacks(os.path.join(library.root.path, b"."))


@pytest.mark.slow
def test_after_random_changes_the_catalog_says_what_the_disk_says(library: Library) -> None:
    dice = random.Random(7)
    names = [f"{a}/{b}/{c}.jpg" for a in "abc" for b in "xyz" for c in range(3)]
    with library.watched():
        library.work_until_idle()
        for _ in range(400):
            name = dice.choice(names)
            action = dice.random()
            if action < 0.5:
                library.save(name, dice.randbytes(9))
            elif action < 0.7 and os.path.exists(library.path(name)):
                os.unlink(library.path(name))
            elif action < 0.9:
                here, there = (os.path.dirname(dice.choice(names)) for _ in range(2))
                if os.path.isdir(library.path(here)) and not os.path.exists(library.path(there)):
                    os.renames(library.path(here), library.path(there))
            else:
                shutil.rmtree(library.path(name[0]), ignore_errors=True)
                library.save("keep.jpg")
            if action < 0.1:
                library.work()
        library.work_until(lambda: library.known() == library.on_disk())
        # An event of the last change may still be on its way, whatever the backlog holds.
        library.work_until(lambda: library.differing() == [])


@pytest.mark.slow
def test_a_storm_of_ten_thousand_files_costs_scans_and_no_memory(library: Library) -> None:
    with library.watched():
        library.work_until_idle()
        for number in range(10_000):
            library.save(b"storm/%d.jpg" % number, b"x")
        work = library.backlog.take(20_000, 5.0)
        assert len(work.paths) < 1000
        library.index(list(work.paths))
        for folder in work.folders:
            library.backlog.folder(folder.path, deep=folder.deep)
        library.work_until(lambda: len(library.known()) == 10_000)
        os.rename(library.path("storm"), library.path("calm"))
        library.work_until(lambda: library.known() == library.on_disk())


@pytest.mark.slow
def test_a_root_removed_and_made_again_is_offline_until_the_user_says_so(
    library: Library,
) -> None:
    library.save("a.jpg")
    library.save("b/c.jpg")
    with library.watched() as watcher:
        library.work_until_idle()
        shutil.rmtree(library.photos)
        library.photos.mkdir()
        library.work_until(lambda: library.roots.state(library.root.id).state == "offline")
        library.work_until_idle()
        assert library.known() == {b"a.jpg", b"b/c.jpg"}

        watcher.rescan(library.root.path)
        library.work_until(lambda: library.known() == set())
        library.save("new.jpg")
        library.work_until(lambda: library.known() == {b"new.jpg"})
        assert library.roots.state(library.root.id).state == "online"


def test_a_root_renamed_away_keeps_its_photos_and_comes_back(library: Library) -> None:
    library.save("a.jpg")
    away = library.photos.parent / "away"
    with library.watched():
        library.work_until_idle()
        library.photos.rename(away)
        library.work_until(lambda: library.roots.state(library.root.id).state == "offline")
        (away / "b.jpg").write_bytes(b"b")
        library.work_until_idle()
        assert library.known() == {b"a.jpg"}

        away.rename(library.photos)
        library.work_until(lambda: library.known() == {b"a.jpg", b"b.jpg"})
        library.save("c.jpg")
        library.work_until(lambda: b"c.jpg" in library.known())


def test_a_root_that_is_missing_at_the_start_is_watched_when_it_comes(library: Library) -> None:
    library.photos.rmdir()
    with library.watched():
        library.work_until_idle()
        state = library.roots.state(library.root.id)
        assert (state.state, state.reason) == ("offline", "the folder is missing")
        library.save("a.jpg")
        library.work_until(lambda: library.known() == {b"a.jpg"})


def test_the_last_photo_of_a_root_can_be_deleted(library: Library) -> None:
    library.save("a.jpg")
    with library.watched():
        library.work_until_idle()
        os.unlink(library.path("a.jpg"))
        library.work_until(lambda: library.known() == set())
        assert library.roots.state(library.root.id).state == "online"


def _link_outside(library: Library, path: bytes) -> Path:
    """Give a file another name outside of the root: no event tells of a change through it."""
    other_name = library.photos.parent / "other name"
    os.link(path, other_name)
    return other_name


def test_a_rescan_finds_what_no_event_told_of(library: Library) -> None:
    path = library.save("a/b.jpg")
    other_name = _link_outside(library, path)
    with library.watched() as watcher:
        library.work_until_idle()
        other_name.write_bytes(b"another picture")
        assert library.differing() == [path]
        watcher.rescan(library.path("a"))
        library.work_until(lambda: library.differing() == [])
        other_name.write_bytes(b"and another")
        watcher.rescan(path)
        library.work_until(lambda: library.differing() == [])
        other_name.write_bytes(b"the last one")
        before = watcher.state().scanned_at
        watcher.rescan(None)
        assert watcher.is_scanning or watcher.state().scanned_at != before  # or it is over
        library.work_until(lambda: library.differing() == [])
        with pytest.raises(WatchError, match="/nowhere: it lies in no watched folder"):
            watcher.rescan(b"/nowhere")


def test_followed_links_have_events_too(make_library: LibraryMaker) -> None:
    library = make_library(follow_symlinks=True)
    outside = library.photos.parent / "outside"
    outside.mkdir()
    with library.watched():
        library.work_until_idle()
        (outside / "b.jpg").write_bytes(b"x")
        os.symlink(outside, library.path("link"))
        library.work_until(lambda: library.known() == {b"link/b.jpg"})
        (outside / "sub").mkdir()
        (outside / "sub" / "a.jpg").write_bytes(b"x")
        library.work_until(lambda: library.known() == {b"link/b.jpg", b"link/sub/a.jpg"})
        library.save("real.jpg")
        os.unlink(library.path("link"))
        library.work_until(lambda: library.known() == {b"real.jpg"})


def test_a_root_may_be_a_link(make_library: LibraryMaker, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "photos").symlink_to("elsewhere")
    library = make_library()
    with library.watched():
        library.work_until_idle()
        library.save("a/b.jpg")
        library.work_until(lambda: library.known() == {b"a/b.jpg"})
        shutil.rmtree(library.path("a"))
        library.work_until(lambda: library.known() == set())


def test_watching_goes_on_when_watchdogs_threads_have_ended(library: Library) -> None:
    with library.watched():
        library.work_until_idle()
        observer = the_thread(InotifyObserver)
        observer.stop()
        library.save("a.jpg")
        library.work_until(lambda: library.known() == {b"a.jpg"})
        library.work_until(lambda: {*threads(InotifyObserver)} - {observer})
        library.work_until_idle()
        library.save("b.jpg")
        library.work_until(lambda: library.known() == {b"a.jpg", b"b.jpg"})


def test_an_event_that_breaks_its_handler_costs_a_scan_and_not_the_watching(
    library: Library,
) -> None:
    path = library.save("a.jpg")
    other_name = _link_outside(library, path)
    with library.watched():
        library.work_until_idle()
        for number, break_it in enumerate((_break_watchdog, _break_ours)):
            other_name.write_bytes(b"change %d" % number)
            break_it()
            library.work_until(lambda: library.differing() == [])
            name = b"%d.jpg" % number
            library.save(name)
            library.work_until(lambda name=name: name in library.known())  # type: ignore[misc]


def _break_watchdog() -> None:
    the_thread(InotifyFD).handle_event(None)  # type: ignore[arg-type]


def _break_ours() -> None:
    observer = the_thread(InotifyObserver)
    (emitter,) = observer.emitters
    observer.event_queue.put((None, emitter.watch))


@pytest.mark.slow
def test_an_overflow_of_the_queue_is_said_once_and_loses_nothing(
    library: Library, inotify_setting: InotifySetting, caplog: pytest.LogCaptureFixture
) -> None:
    inotify_setting("max_queued_events", 8)
    with library.watched():
        library.work_until_idle()
        with caplog.at_level(logging.WARNING):
            for number in range(3000):
                library.save(b"%d/%d.jpg" % (number % 30, number), b"x")
            library.work_until(lambda: library.known() == library.on_disk())
    told = [record for record in caplog.records if "overflow" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]


@pytest.mark.slow
def test_a_reached_limit_of_watches_is_said_once_and_the_folders_are_polled(
    make_library: LibraryMaker, inotify_setting: InotifySetting, caplog: pytest.LogCaptureFixture
) -> None:
    library = make_library(poll_every=0.5)
    for number in range(300):
        library.save(b"%03d/a.jpg" % number)
    with library.watched() as watcher:
        library.work_until_idle()
        watches = watcher.state().watches
        inotify_setting("max_user_watches", watches)
        for number in range(300, 400):
            library.save(b"%03d/a.jpg" % number)
        watcher.rescan(None)
        library.work_until_idle()
        state = library.roots.state(library.root.id)
        assert state.state == "degraded"
        assert f"raise fs.inotify.max_user_watches (now {watches})" in state.reason
        assert watcher.state().limit == watches
        library.save("399/b.jpg")  # no watch, so only a scan can tell
        library.work_until(lambda: library.known() == library.on_disk())

        inotify_setting("max_user_watches", 100_000)
        library.work_until(lambda: library.roots.state(library.root.id).state == "online")
        library.save("399/c.jpg")
        library.work_until(lambda: library.known() == library.on_disk())
    told = [r for r in caplog.records if "max_user_watches" in r.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]


@pytest.mark.slow
def test_without_an_inotify_instance_folders_are_polled(
    make_library: LibraryMaker, inotify_setting: InotifySetting
) -> None:
    library = make_library(poll_every=0.5)
    inotify_setting("max_user_instances", 0)
    with library.watched() as watcher:
        library.save("a.jpg")
        library.work_until(lambda: library.known() == {b"a.jpg"})
        library.save("b.jpg")
        library.work_until(lambda: library.known() == {b"a.jpg", b"b.jpg"})
        assert "max_user_instances" in watcher.state().problems[0]
        inotify_setting("max_user_instances", 512)
        library.work_until(lambda: library.roots.state(library.root.id).state == "online")
        library.work_until(lambda: watcher.state().problems == ())


def test_a_folder_that_cannot_be_read_is_reported_and_recovers(
    library: Library, ordinary_rights: None, caplog: pytest.LogCaptureFixture
) -> None:
    library.save("a.jpg")
    library.save("closed/b.jpg")
    library.save("closed/below/c.jpg")
    everything = {b"a.jpg", b"closed/b.jpg", b"closed/below/c.jpg"}
    closed = library.photos / "closed"
    with library.watched() as watcher:
        library.work_until(lambda: library.known() == everything)
        closed.chmod(0)
        try:
            watcher.rescan(None)
            library.work_until_idle()
            problems = watcher.state().problems
            assert problems == (f"{closed}: cannot be read: Permission denied",)
            failure = library.catalog.failure(bytes(closed))
            assert failure is not None
            assert failure.kind == "unreadable"
            assert library.known() - {b"closed"} == everything  # nothing is taken for deleted
            watcher.rescan(None)
            library.work_until_idle()
        finally:
            closed.chmod(0o700)
        library.save("closed/new.jpg")
        library.work_until(lambda: b"closed/new.jpg" in library.known())
        library.work_until(lambda: library.catalog.failure(bytes(closed)) is None)
        library.work_until(lambda: watcher.state().problems == ())
        library.save("closed/below/newer.jpg")
        library.work_until(lambda: library.known() == library.on_disk())
    told = [r for r in caplog.records if "cannot be read" in r.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"]


def test_a_disk_that_is_mounted_again_is_watched_again(
    library: Library, mounting: Mounting
) -> None:
    with library.watched():
        library.work_until_idle()
        mounting(library.photos / "disk")
        library.save("disk/a.jpg")
        library.work_until(lambda: library.known() == {b"disk/a.jpg"})
        library.save("disk/b.jpg")
        library.work_until(lambda: library.known() == {b"disk/a.jpg", b"disk/b.jpg"})
        subprocess.run(["umount", "--lazy", str(library.photos / "disk")], check=True)
        library.save("c.jpg")
        library.work_until(lambda: b"c.jpg" in library.known())
        library.work_until_idle()
        assert library.known() == {b"disk/a.jpg", b"disk/b.jpg", b"c.jpg"}
