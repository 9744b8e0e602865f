"""Folders wait in two lanes, a storm puts its own off, and too many become what is above them."""

from __future__ import annotations

import pytest

from clipd.watch.waiting_folders import STORM_WAIT_SECONDS, Folder, WaitingFolders


def test_a_storm_puts_its_folder_off_but_not_for_ever() -> None:
    folders = WaitingFolders()
    folders.add_storm(b"/p", first=100.0, due=100.5, expected=3)

    assert folders.prolong_storm(b"/p", 101.0, has_grown=True)
    assert folders.next_due() == 101.0
    assert folders.prolong_storm(b"/p", 100.7, has_grown=False)
    assert folders.next_due() == 101.0  # it is never taken earlier
    assert folders.prolong_storm(b"/p", 999.0, has_grown=True)
    assert folders.next_due() == 100.0 + STORM_WAIT_SECONDS

    assert folders.take(9, 101.9, only_hinted=False) == ()
    assert folders.take(9, 102.0, only_hinted=False) == (Folder(b"/p", False, 5),)
    assert folders.expected == 0


def test_a_folder_without_a_storm_is_not_put_off() -> None:
    folders = WaitingFolders()
    folders.add(b"/p", 5.0, deep=False, expected=0, is_scanned=False)

    assert not folders.prolong_storm(b"/p", 9.0, has_grown=True)
    assert not folders.prolong_storm(b"/q", 9.0, has_grown=True)
    assert (folders.next_due(), folders.expected) == (5.0, 1)


def test_what_a_scan_found_is_left_when_only_what_events_tell_of_is_asked_for() -> None:
    folders = WaitingFolders()
    folders.add(b"/p/scanned", 1.0, deep=False, expected=2, is_scanned=True)
    folders.add(b"/p/hinted", 1.0, deep=True, expected=3, is_scanned=False)

    assert folders.take(99, 2.0, only_hinted=True) == (Folder(b"/p/hinted", True, 3),)
    assert folders.take(99, 2.0, only_hinted=True) == ()
    assert folders.expected == 2
    assert folders.take(99, 2.0, only_hinted=False) == (Folder(b"/p/scanned", False, 2),)
    assert folders.next_due() == float("inf")


def test_too_many_folders_outside_of_all_roots_become_what_is_above_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clipd.watch.waiting_folders.MAX_FOLDERS", 2)
    folders = WaitingFolders()
    for name in (b"a", b"b/x", b"c"):
        folders.add(b"/gone/" + name, 1.0, deep=False, expected=4, is_scanned=False)
        folders.bound([b"/p"], due=3.0)

    assert folders.take(99, 2.0, only_hinted=False) == ()
    assert folders.take(99, 3.0, only_hinted=False) == (Folder(b"/gone", True, 12),)
