from __future__ import annotations

import threading
import time

import pytest

from clipd.watch import backlog as backlog_module
from clipd.watch.backlog import Backlog, Work
from clipd.watch.waiting_folders import Folder

SETTLE = 0.05


def make(settle_max: float = 30.0, storm: int = 128) -> Backlog:
    return Backlog(SETTLE, settle_max, storm)


def take_all(backlog: Backlog) -> tuple[set[bytes], set[Folder]]:
    paths: set[bytes] = set()
    folders: set[Folder] = set()
    while len(backlog):
        work = backlog.take(1000, 10)
        paths.update(work.paths)
        folders.update(work.folders)
    return paths, folders


def test_a_hint_is_given_out_once_after_it_has_settled() -> None:
    backlog = make()
    hinted = time.monotonic()
    backlog.hint(b"/p/a.jpg")
    backlog.hint(b"/p/a.jpg", closed=True)

    assert backlog.take(10, 10) == Work(paths=(b"/p/a.jpg",))

    assert time.monotonic() - hinted >= SETTLE
    assert backlog.take(10, 0) == Work()
    assert len(backlog) == 0


def test_a_path_that_is_never_quiet_is_given_out_when_it_has_waited_the_longest() -> None:
    backlog = Backlog(settle_seconds=600, settle_max_seconds=0.3)
    hinted = time.monotonic()
    work = Work()
    while not work.paths:
        backlog.hint(b"/p/busy.jpg", closed=True)
        work = backlog.take(10, 0.001)
        assert time.monotonic() - hinted < 60
    assert time.monotonic() - hinted >= 0.3
    assert backlog.has_waited_out(b"/p/busy.jpg")


def test_waiting_ends_when_a_hint_comes() -> None:
    backlog = make()
    got: list[Work] = []
    taker = threading.Thread(target=lambda: got.append(backlog.take(10, 60)))
    taker.start()
    backlog.hint(b"/p/a.jpg")
    taker.join(30)
    assert got == [Work(paths=(b"/p/a.jpg",))]


def test_wake_ends_the_waiting_with_nothing() -> None:
    backlog = make()
    got: list[Work] = []
    taker = threading.Thread(target=lambda: got.append(backlog.take(10, 60)))
    taker.start()
    backlog.wake()
    taker.join(30)
    assert got == [Work()]


def test_a_storm_in_one_folder_becomes_a_scan_of_that_folder() -> None:
    backlog = make(storm=10)
    for number in range(100):
        backlog.hint(b"/p/storm/%d.jpg" % number)
    backlog.hint(b"/p/calm/a.jpg")

    assert len(backlog) == 101
    paths, folders = take_all(backlog)

    assert paths == {b"/p/calm/a.jpg"}
    assert folders == {Folder(b"/p/storm", deep=False, expected=100)}


def test_a_settled_path_goes_before_folders_that_waited_longer() -> None:
    backlog = make()
    for number in range(1000):
        backlog.folder(b"/p/%d" % number, deep=False, expected=5, now=True)
    assert sum(folder.expected for folder in backlog.take(10, 10).folders) == 10

    backlog.put_back(b"/p/new.jpg", 0)

    assert backlog.take(10, 10) == Work(paths=(b"/p/new.jpg",))
    assert backlog.take(10, 10).folders


def test_a_folder_told_of_by_an_event_goes_before_those_of_a_scan() -> None:
    backlog = make()
    for number in range(3):
        backlog.folder(b"/p/scanned%d" % number, deep=False, expected=1, now=True)
    backlog.folder(b"/p/moved-in", deep=True)
    hinted = time.monotonic()
    while time.monotonic() - hinted <= SETTLE:
        pass
    assert backlog.take(1, 10).folders == (Folder(b"/p/moved-in", deep=True, expected=1),)


def test_what_lies_in_a_deep_folder_is_not_listed_again() -> None:
    backlog = make()
    backlog.folder(b"/p", deep=True, expected=3)
    backlog.folder(b"/p/a/b", deep=False, expected=4)
    assert len(backlog) == 7
    assert take_all(backlog)[1] == {Folder(b"/p", deep=True, expected=7)}


def test_a_path_that_was_put_back_waits_until_it_is_closed() -> None:
    backlog = make()
    backlog.hint(b"/p/growing.jpg")
    assert backlog.take(1, 10).paths
    backlog.put_back(b"/p/growing.jpg", 600)
    backlog.hint(b"/p/growing.jpg")  # it grows on

    assert backlog.take(1, 4 * SETTLE) == Work()
    backlog.hint(b"/p/growing.jpg", closed=True)
    assert backlog.take(1, 10).paths == (b"/p/growing.jpg",)


def test_the_wait_of_a_path_counts_from_its_first_hint_through_every_put_back() -> None:
    backlog = make(settle_max=1.0)
    backlog.hint(b"/p/growing.jpg")
    rounds = 0
    while True:
        assert backlog.take(1, 10).paths == (b"/p/growing.jpg",)
        rounds += 1
        if backlog.has_waited_out(b"/p/growing.jpg"):
            break
        backlog.put_back(b"/p/growing.jpg", 0.01)
    assert rounds > 1
    assert not backlog.has_waited_out(b"/p/other.jpg")


def test_too_many_paths_become_their_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "MAX_PATHS", 500)
    backlog = make()
    for number in range(1000):
        backlog.hint(b"/p/%d/%d.jpg" % (number % 100, number))
    paths, folders = take_all(backlog)
    assert len(paths) <= 500
    assert {folder.path for folder in folders} == {b"/p/%d" % number for number in range(100)}


def test_too_many_folders_become_their_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipd.watch.waiting_folders.MAX_FOLDERS", 500)
    backlog = make()
    backlog.bound_to([b"/p", b"/q"])
    for number in range(501):
        backlog.folder(b"/p/%d" % number, deep=False, expected=2, now=True)
    assert len(backlog) == 1002
    assert take_all(backlog)[1] == {Folder(b"/p", deep=True, expected=1002)}


def test_many_hints_take_bounded_memory_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "MAX_PATHS", 2000)
    monkeypatch.setattr("clipd.watch.waiting_folders.MAX_FOLDERS", 800)
    backlog = make()
    backlog.bound_to([b"/p"])
    hinted = set()
    for number in range(5000):
        folder = b"/p/%d" % (number % 1500)
        hinted.add(folder)
        backlog.hint(folder + b"/%d.jpg" % number)
    paths, folders = take_all(backlog)
    assert len(paths) <= 2000
    assert len(folders) <= 800
    covered = {path.rsplit(b"/", 1)[0] for path in paths} | {folder.path for folder in folders}
    assert b"/p" in covered or covered == hinted


def test_a_folder_that_events_and_a_scan_tell_of_is_taken_for_both() -> None:
    backlog = Backlog(settle_seconds=0, settle_max_seconds=30)
    backlog.folder(b"/p/x", deep=True, expected=5, now=True)
    for number in range(300):  # a storm, which fills the first helping
        backlog.hint(b"/p/x/%d.jpg" % number)
    first = backlog.take(256, 10)
    assert first.folders == (Folder(b"/p/x", deep=False, expected=300),)
    assert backlog.take(256, 10).folders == (Folder(b"/p/x", deep=True, expected=5),)
    assert len(backlog) == 0
