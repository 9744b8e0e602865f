"""The order in which changed paths are looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from clipd.ingest.changes import Changes
from clipd.watch.backlog import Backlog
from clipd.watch.waiting_folders import Folder


def _stream(backlog: Backlog, found: int = 3) -> Changes:
    """Changes whose folders each hold some paths, with a None before each."""

    def expand(folder: Folder) -> Iterator[bytes | None]:
        for number in range(found):
            yield None
            yield os.path.join(folder.path, b"%d.jpg" % number)

    return Changes(backlog, expand)


def _next(changes: Changes) -> bytes | None:
    return changes.next(time.monotonic() + 60)


def test_a_fresh_path_overtakes_the_folders_of_a_scan() -> None:
    backlog = Backlog(0.0, 1.0)
    changes = _stream(backlog)
    backlog.folder(b"/p/old", deep=False, expected=3, now=True)
    changes.wait(10)
    assert _next(changes) == b"/p/old/0.jpg"

    backlog.hint(b"/p/new.jpg")
    changes.wait(0)
    assert [_next(changes) for _ in range(3)] == [b"/p/new.jpg", b"/p/old/1.jpg", b"/p/old/2.jpg"]


def test_a_fresh_folder_overtakes_the_folders_of_a_scan() -> None:
    backlog = Backlog(0.0, 1.0)
    changes = _stream(backlog)
    for number in range(1000):
        backlog.folder(b"/p/%d" % number, deep=False, expected=3, now=True)
    changes.wait(10)
    changes.wait(0)

    backlog.folder(b"/p/moved in", deep=True)
    changes.wait(0)
    assert _next(changes) == b"/p/moved in/0.jpg"


def test_a_fresh_path_overtakes_a_fresh_folder() -> None:
    backlog = Backlog(0.0, 1.0)
    changes = _stream(backlog)
    changes.add(iter([b"/p/gone/a.jpg", b"/p/gone/b.jpg"]))
    assert _next(changes) == b"/p/gone/a.jpg"

    backlog.hint(b"/p/new.jpg")
    changes.wait(0)
    assert _next(changes) == b"/p/new.jpg"


def test_what_is_found_on_the_way_overtakes_the_folders_of_a_scan() -> None:
    backlog = Backlog(0.0, 1.0)
    changes = _stream(backlog)
    backlog.folder(b"/p/old", deep=False, expected=3, now=True)
    changes.wait(10)

    changes.add(iter([b"/p/gone/a.jpg"]))
    assert _next(changes) == b"/p/gone/a.jpg"


def test_the_folders_of_a_scan_stay_in_the_backlog_until_their_turn() -> None:
    backlog = Backlog(0.0, 1.0)
    opened: list[bytes] = []

    def expand(folder: Folder) -> Iterator[bytes]:
        opened.append(folder.path)
        return iter([folder.path + b"/a.jpg"])

    changes = Changes(backlog, expand)
    for number in range(1000):
        backlog.folder(b"/p/%d" % number, deep=False, expected=100, now=True)
    for _ in range(100):
        changes.wait(0)
    assert len(opened) < 10


def test_a_long_search_for_a_path_is_given_up_in_time_and_taken_up_again() -> None:
    backlog = Backlog(0.0, 1.0)

    def expand(folder: Folder) -> Iterator[bytes | None]:
        yield from [None] * 1000
        yield b"/p/a.jpg"

    changes = Changes(backlog, expand)
    backlog.folder(b"/p", deep=True)
    changes.wait(10)
    assert changes.next(time.monotonic()) is None
    assert changes.has_more()
    assert _next(changes) == b"/p/a.jpg"
    assert _next(changes) is None
    assert not changes.has_more()


def test_nothing_is_counted_as_done_before_it_is_handed_out() -> None:
    backlog = Backlog(0.0, 1.0)
    changes = _stream(backlog, found=5)  # more than is expected
    backlog.folder(b"/p", deep=False, expected=1, now=True)
    changes.wait(10)
    for _ in range(5):
        assert len(changes) > 0
        assert _next(changes) is not None
    assert _next(changes) is None
    assert len(changes) == 0
