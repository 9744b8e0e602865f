"""One root whose disk never answers harms only itself."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clipd.config.options import RootConfig, WatchConfig
from clipd.errors import RootStalledError
from clipd.ingest.chores import RootKeeper
from clipd.ingest.inbox import Inbox
from clipd.store.catalog import Catalog
from clipd.store.reader import CatalogReader
from clipd.watch.backlog import Backlog
from clipd.watch.library import PhotoLibrary
from clipd.watch.root import Root, RootChange
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules
from clipd.watch.scan import folder_steps
from clipd.watch.watcher import Watcher, watching
from tests.hanging_disk import hanging_disk

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 30.0


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipd.watch.root_watcher.CHECK_SECONDS", 0.1)
    monkeypatch.setattr("clipd.watch.watcher.LISTEN_SECONDS", 0.1)
    monkeypatch.setattr("clipd.watch.disk_thread.STALL_SECONDS", 3.0)


class TwoRoots:
    """A watched ``local`` and a watched ``nas``, of which the tests hang the second."""

    def __init__(self, folder: Path, catalog: Catalog, reader: CatalogReader) -> None:
        self.folders = {name: folder / name for name in ("local", "nas")}
        roots = []
        for each in self.folders.values():
            each.mkdir()
            with catalog.writing():
                number = catalog.root(bytes(each))
            roots.append(Root(number, bytes(each), RootConfig(path=each)))
        self.local, self.nas = roots
        self.config = WatchConfig(settle=0.05)
        self.roots = Roots(roots, reader)
        self.library = PhotoLibrary(self.roots, Rules(self.config, roots), reader)
        self.backlog = Backlog(self.config.settle, self.config.settle_max)
        self.changes: list[RootChange] = []
        self._inbox = Inbox(lambda: None)
        self._keeper = RootKeeper(catalog, self._inbox, lambda: None)

    @contextmanager
    def watched(self) -> Iterator[Watcher]:
        with watching(self.config, self.library, self.backlog, self._changed) as watcher:
            yield watcher

    def wait_until(self, claim: Callable[[], bool]) -> None:
        """Wait for a claim, and meanwhile write what the catalog has to note."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not claim():
            assert time.monotonic() < deadline, "it never came true"
            self._inbox.run_calls()
            threading.Event().wait(0.02)

    def _changed(self, change: RootChange) -> None:
        if not change.volumes:
            self.changes.append(change)
        self._keeper.root_changed(change)

    def state(self, root: Root) -> str:
        return self.roots.state(root.id).state

    def await_hint(self, photo: Path) -> None:
        """Wait until the backlog has a photo, or its folder: a scan may be what finds it."""
        self.wait_until(lambda: not self._hinted().isdisjoint([bytes(photo), bytes(photo.parent)]))

    def _hinted(self) -> set[bytes]:
        work = self.backlog.take(1000, 0.1)
        return {*work.paths, *(folder.path for folder in work.folders)}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[TwoRoots]:
    (tmp_path / "state").mkdir()
    catalog = Catalog.open(tmp_path / "state" / "catalog.sqlite")
    reader = CatalogReader(tmp_path / "state" / "catalog.sqlite")
    house = TwoRoots(tmp_path, catalog, reader)
    yield house
    house.roots.close()
    house.wait_until(lambda: not [t for t in threading.enumerate() if "root" in t.name])
    reader.close()
    catalog.close()


def test_a_root_that_hangs_is_stalled_and_the_others_go_on(two: TwoRoots) -> None:
    with two.watched() as watcher:
        two.wait_until(lambda: two.state(two.local) == two.state(two.nas) == "online")
        with hanging_disk(two.folders["nas"]):
            two.wait_until(lambda: two.state(two.nas) == "stalled")
            reason = two.roots.state(two.nas.id).reason
            assert "did not answer for" in reason
            assert two.state(two.local) == "online"

            photo = two.folders["local"] / "a.jpg"
            photo.write_bytes(b"x")
            two.await_hint(photo)
            before = watcher.state().scanned_at
            watcher.rescan(None)
            two.wait_until(lambda: watcher.state().scanned_at != before)
            two.wait_until(lambda: not watcher.is_scanning)
            two.wait_until(lambda: any(change.now.state == "stalled" for change in two.changes))

        # The mount is gone, and what it hid is there again.
        two.wait_until(lambda: two.state(two.nas) == "online")
        photo = two.folders["nas"] / "b.jpg"
        photo.write_bytes(b"x")
        two.await_hint(photo)
    states = [change.now.state for change in two.changes if change.root == two.nas]
    assert states == ["online", "stalled", "online"]


def test_what_the_catalog_knows_in_a_stalled_root_is_not_taken_for_deleted(two: TwoRoots) -> None:
    with two.watched():
        two.wait_until(lambda: two.state(two.nas) == "online")
        with hanging_disk(two.folders["nas"]):
            two.wait_until(lambda: two.state(two.nas) == "stalled")
            device = os.stat(two.folders["local"]).st_dev
            assert not two.roots.is_proof(two.nas, bytes(two.folders["nas"] / "a.jpg"), device)


def test_watching_ends_while_a_disk_hangs(two: TwoRoots) -> None:
    with hanging_disk(two.folders["nas"]):
        with two.watched():
            two.wait_until(lambda: two.state(two.nas) == "stalled")
            began = time.monotonic()
        assert time.monotonic() - began < 5


def test_a_question_to_a_hanging_disk_is_given_up(two: TwoRoots) -> None:
    with hanging_disk(two.folders["nas"]):
        disk = two.roots.disk(two.nas)
        with pytest.raises(RootStalledError, match=r"nas did not answer for \d+ s"):
            disk.ask(lambda: os.lstat(two.nas.path))
        assert two.roots.is_stalled(two.nas)
        began = time.monotonic()
        with pytest.raises(RootStalledError):
            disk.ask(lambda: os.lstat(two.nas.path))
        assert time.monotonic() - began < 2.5, "the second one waited as well"
        assert list(folder_steps(two.library, two.nas, two.nas.path, True)) == []
    two.wait_until(lambda: not two.roots.is_stalled(two.nas))
    assert disk.ask(lambda: os.lstat(two.nas.path)).st_ino


def test_a_long_listing_is_no_silence(two: TwoRoots) -> None:
    disk = two.roots.disk(two.local)

    def list_slowly() -> str:
        for _ in range(20):
            threading.Event().wait(0.2)
            disk.beat()
        return "all"

    assert disk.ask(list_slowly) == "all"


def test_what_a_disk_raises_reaches_whoever_asked(two: TwoRoots) -> None:
    def refuse() -> None:
        raise TimeoutError(110, "Connection timed out")  # as NFS mounted soft does

    with pytest.raises(TimeoutError, match="Connection timed out"):
        two.roots.disk(two.local).ask(refuse)
