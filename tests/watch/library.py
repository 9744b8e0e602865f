"""A folder of files, a catalog of them, and the plainest consumer of a backlog."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from clipd.config.options import RootConfig, WatchConfig
from clipd.ingest.chores import RootKeeper
from clipd.ingest.inbox import Inbox
from clipd.photo import Fingerprint
from clipd.store.catalog import Catalog
from clipd.store.reader import CatalogReader
from clipd.store.rows import Located
from clipd.watch.backlog import Backlog
from clipd.watch.library import PhotoLibrary
from clipd.watch.listing import folder_trouble, is_wanted
from clipd.watch.root import Root, RootChange
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules
from clipd.watch.scan import differing_folders, folder_steps
from clipd.watch.watcher import Watcher, watching

DEADLINE_SECONDS = 30.0


@dataclass
class Library:
    """One root on disk and in a catalog. Its methods are for one thread."""

    photos: Path
    catalog: Catalog
    reader: CatalogReader
    config: WatchConfig = field(default_factory=lambda: WatchConfig(settle=0.05))
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.photos.mkdir(parents=True, exist_ok=True)
        with self.catalog.writing():
            number = self.catalog.root(os.fsencode(self.photos))
        config = RootConfig(path=self.photos, exclude=self.exclude)
        self.root = Root(number, os.fsencode(self.photos), config)
        self.rules = Rules(self.config, [self.root])
        self.roots = Roots([self.root], self.reader)
        self.library = PhotoLibrary(self.roots, self.rules, self.reader)
        self.backlog = Backlog(self.config.settle, self.config.settle_max)
        self.changes: list[RootChange] = []
        self.inbox = Inbox(lambda: None)
        self.keeper = RootKeeper(self.catalog, self.inbox, lambda: None)

    def save(self, name: str | bytes, content: bytes = b"") -> bytes:
        path = os.path.join(os.fsencode(self.photos), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content or b"photo " + path)
        return path

    def path(self, name: str | bytes) -> bytes:
        return os.path.join(os.fsencode(self.photos), os.fsencode(name))

    def differing(self, folder: str | bytes = b"", *, deep: bool = True) -> list[bytes]:
        """The paths that differ from the catalog, below a folder of the root."""
        top = self.path(folder) if folder else self.root.path
        steps = folder_steps(self.library, self.root, top, deep)
        return [path for path in steps if path is not None]

    def scan(self) -> dict[bytes, int]:
        """What a full scan finds: folders and how many paths differ in them."""
        self.unreadable: list[bytes] = []
        found = differing_folders(
            self.library,
            self.root,
            lambda stat, path: None,
            lambda path, error: self.unreadable.append(path),
        )
        return dict(found)

    def index(self, paths: list[bytes]) -> None:
        """Make the catalog say of these paths what the disk says."""
        with self.catalog.writing():
            for path in paths:
                self._index(path)

    def check(self) -> RootChange | None:
        """Look at the root, and remember what it is, as its own thread does."""
        volumes = self.roots.volumes(self.root)
        with suppress(OSError):
            while found := volumes.check():
                state = self.roots.state(self.root.id)
                self._remember(RootChange(self.root, None, state, volumes=tuple(found)))
                self.roots.reload(self.root)
        change = self.roots.check(self.root)
        if change is not None:
            self._remember(change)
        return change

    def index_all(self) -> None:
        self.check()
        self.index(self.differing())
        self.check()

    def known(self) -> set[bytes]:
        """The live paths in the catalog, relative to the root."""
        start = len(self.root.path) + 1
        return {path[start:] for path in self.catalog.paths_under(self.root.path, limit=1 << 20)}

    def photo_of(self, name: str | bytes) -> int | None:
        """The photo that lies at a path."""
        return self.reader.photo_at(self.path(name))

    def live_photos(self) -> set[int]:
        """The photos that have a path, wherever it is."""
        return set(self.reader.locate(range(1, 1000)))

    def offline_photos(self) -> set[int]:
        """Those of which every hit would be offline."""
        return {
            photo
            for photo, places in self.reader.locate(range(1, 1000)).items()
            if all(place.is_aside or self.is_offline(place) for place in places)
        }

    def is_offline(self, place: Located) -> bool:
        return self.roots.is_offline(place.path, place.root, place.device)

    def reopen(self) -> None:
        """Forget all that only a running daemon knows."""
        self.roots.close()
        self.roots = Roots([self.root], self.reader)
        self.library = PhotoLibrary(self.roots, self.rules, self.reader)

    def on_disk(self) -> set[bytes]:
        return {
            os.path.relpath(os.path.join(folder, name), self.root.path)
            for folder, _, names in os.walk(self.root.path)
            for name in names
        }

    @contextmanager
    def watched(self) -> Iterator[Watcher]:
        with watching(self.config, self.library, self.backlog, self.changes.append) as watcher:
            self.watcher = watcher
            yield watcher

    def work(self) -> bool:
        """Do what the backlog has; False when there was nothing."""
        for change in self.changes:
            self._remember(change)
        self.changes.clear()
        work = self.backlog.take(1000, 0.05)
        self.index(list(work.paths))
        for folder in work.folders:
            steps = folder_steps(self.library, self.root, folder.path, folder.deep)
            self.index([path for path in steps if path is not None])
        return bool(work.paths or work.folders)

    def work_until(self, claim: Callable[[], object]) -> None:
        """Work the backlog off until a claim holds."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not claim():
            self.work()
            assert time.monotonic() < deadline, "it never came true"

    def work_until_idle(self) -> None:
        self.work_until(lambda: not self.watcher.is_scanning and not len(self.backlog))

    def _remember(self, change: RootChange) -> None:
        self.keeper.root_changed(change)
        self.inbox.run_calls()

    def _index(self, path: bytes) -> None:
        now = int(time.time())
        if not is_wanted(self.rules, self.root, path):
            self.catalog.forget_path(path, now)
            return
        try:
            stat: os.stat_result | None = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            stat = None
        if self.roots.volumes(self.root).is_unsure():
            self.backlog.put_back(path, self.config.settle)
            return
        if stat is None:
            row = self.catalog.path(path)
            if row and self.roots.is_proof(self.root, path, row.fingerprint.device):
                self.catalog.forget_path(path, now)
            return
        fingerprint = Fingerprint.of(stat)
        if os.path.isdir(path):
            why = folder_trouble(path)
            if why is None:
                self.catalog.drop_failure(path)
                self.backlog.folder(path, deep=True)
            else:
                self.catalog.put_failure(self.root.id, path, None, "unreadable", why, now)
            return
        with open(path, "rb") as file:
            content = hashlib.blake2b(file.read(), digest_size=16).digest()
        photo = self.catalog.add_photo(content, 1, 1, "JPEG", "", now)
        self.catalog.put_path(self.root.id, path, fingerprint, photo)
