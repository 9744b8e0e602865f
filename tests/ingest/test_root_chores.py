"""What a root that comes or goes does to the catalog, over a real folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.ingest.chores import RootKeeper
from clipd.ingest.inbox import Inbox
from tests.writepath import WritePath, write_path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


class _Keeping:
    """A keeper whose writes this thread runs, as the indexer's would."""

    def __init__(self, house: WritePath) -> None:
        self.anew = 0
        self._house = house
        self.wakes = 0
        self._inbox = Inbox(self._wake)
        self._keeper = RootKeeper(house.catalog, self._inbox, self._encode_anew)

    def _wake(self) -> None:
        self.wakes += 1

    def _encode_anew(self) -> None:
        self.anew += 1

    def look(self) -> None:
        self.note()
        self._inbox.run_calls()

    def note(self) -> None:
        change = self._house.roots.check(self._house.root)
        if change is not None:
            self._keeper.root_changed(change)

    def write(self) -> None:
        self._inbox.run_calls()


def test_files_that_went_just_before_their_root_are_taken_back(house: WritePath) -> None:
    photo = house.photo("a.jpg")
    keeping = _Keeping(house)
    os.unlink(house.path("a.jpg"))
    house.look("a.jpg")
    assert house.lies_at("a.jpg") is None

    house.photos.rmdir()
    keeping.look()
    assert house.lies_at("a.jpg") == photo
    assert keeping.anew == 0


def test_the_index_follows_a_root_at_once(house: WritePath) -> None:
    house.photo("a.jpg")
    keeping = _Keeping(house)
    house.photos.rename(house.photos.with_name("away"))
    keeping.note()
    before = keeping.wakes
    keeping.write()
    assert keeping.wakes > before, "the next turn, which lets the index follow, may be seconds away"


def test_what_went_long_before_its_root_stays_gone(house: WritePath) -> None:
    house.photo("a.jpg")
    keeping = _Keeping(house)
    os.unlink(house.path("a.jpg"))
    with house.catalog.writing():
        house.catalog.forget_path(house.path("a.jpg"), 1000)
    house.photos.rmdir()
    keeping.look()
    assert house.lies_at("a.jpg") is None


def test_what_was_taken_back_by_mistake_goes_when_the_root_is_back(house: WritePath) -> None:
    house.photo("a.jpg", 1)
    house.photo("b.jpg", 2)
    keeping = _Keeping(house)
    os.unlink(house.path("a.jpg"))
    house.look("a.jpg")
    away = house.photos.with_name("away")
    house.photos.rename(away)
    keeping.look()
    assert house.lies_at("a.jpg") is not None

    away.rename(house.photos)
    keeping.look()
    assert keeping.anew == 1
    for path in house.differing():
        house.look(path)
    assert house.known() == {b"b.jpg"}


def _fail() -> None:
    raise ZeroDivisionError


def test_a_failure_that_nobody_waits_for_ends_the_indexer() -> None:
    inbox = Inbox(lambda: None)
    inbox.tell(_fail)
    with pytest.raises(ZeroDivisionError):
        inbox.run_calls()


def test_a_failure_that_somebody_waits_for_is_theirs() -> None:
    inbox = Inbox(lambda: None)
    future = inbox.call(_fail)
    inbox.run_calls()
    with pytest.raises(ZeroDivisionError):
        future.result(1)
