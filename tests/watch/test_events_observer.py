from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import (
    DirMovedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, InotifyFD, WatchDescriptor

from clipd.watch.coverage import Coverage
from clipd.watch.events_observer import fit, reader_of
from tests.watch.conftest import InotifySetting

_QUEUE = 16
_FOLDERS = 100
_OVERFLOW = InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b"")


class Watched(FileSystemEventHandler):
    """A tree of folders under watchdog's observer, and the paths that its events name."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._paths: set[str] = set()
        self._arrived = threading.Condition()
        for number in range(_FOLDERS):
            (top / f"{number}").mkdir(parents=True)
        self.observer = InotifyObserver()
        fit(self.observer, lambda: None, lambda: None)
        self.observer.start()
        # Without a filter it asks for opens too, and its own walk overflows the queue.
        wanted: list[type[FileSystemEvent]] = [FileCreatedEvent, FileMovedEvent, DirMovedEvent]
        self.observer.schedule(self, str(top), recursive=True, event_filter=wanted)

    @property
    def reader(self) -> InotifyFD:
        found = reader_of(self.observer)
        assert found is not None
        return found

    def dispatch(self, event: FileSystemEvent) -> None:
        with self._arrived:
            self._paths.add(os.fsdecode(event.src_path))
            self._arrived.notify_all()

    def names(self, path: Path, seconds: float = 10.0) -> bool:
        """Whether an event names a path before long."""
        with self._arrived:
            return self._arrived.wait_for(lambda: str(path) in self._paths, seconds)

    def catch_up(self) -> None:
        """Wait until events are read that came after those that were lost."""
        for number in range(100):
            mark = self.top / f"mark {number}"
            mark.touch()
            if self.names(mark, 0.1):
                return
        pytest.fail("no event is read any more")

    def is_watched(self, folder: Path) -> bool:
        return Coverage().has(os.stat(folder))


@pytest.fixture
def watched(tmp_path: Path, inotify_setting: InotifySetting) -> Iterator[Watched]:
    inotify_setting("max_queued_events", _QUEUE)
    tree = Watched(tmp_path / "tree")
    yield tree
    tree.observer.stop()
    tree.observer.join()


def _overflows(caplog: pytest.LogCaptureFixture) -> int:
    return sum("filesystem events were lost" in record.getMessage() for record in caplog.records)


@pytest.mark.slow
def test_an_overflow_brings_no_other_when_more_folders_are_watched_than_the_queue_holds(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    watched.reader.handle_event(_OVERFLOW)
    (watched.top / "a.jpg").touch()  # its event comes after all that the overflow has caused
    assert watched.names(watched.top / "a.jpg")
    assert _overflows(caplog) == 1


@pytest.mark.slow
def test_folders_that_moved_unseen_are_known_by_their_paths_after_an_overflow(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    top, outside = watched.top, watched.top.with_name("outside")
    with watched.reader._lock:  # it reads no more than it has begun to
        for number in range(5 * _QUEUE):
            (top / f"{number}.jpg").touch()
        (top / "1").rename(top / "new")
        (top / "2").rename(outside)
        (top / "3").rmdir()
    watched.catch_up()
    assert _overflows(caplog)
    assert not watched.is_watched(outside)
    (top / "new" / "a.jpg").touch()
    assert watched.names(top / "new" / "a.jpg")
    (top / "3").mkdir()
    (top / "3" / "b.jpg").touch()
    assert watched.names(top / "3" / "b.jpg")
