"""The cheap half of the write path over a real folder and a real catalog, a step at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clipd.config.options import WatchConfig
from clipd.ingest.settling import Settler, ToRead
from clipd.store.backup import CATALOG
from clipd.store.catalog import Catalog
from clipd.store.reader import CatalogReader
from clipd.watch.look import Looker
from clipd.watch.statx import stat_with_birth
from tests.store.stock import a_hash, a_model, a_vector
from tests.watch.library import Library


class WritePath(Library):
    """A root on disk, a catalog, a triage; ``look`` does what the indexer would."""

    def __init__(self, folder: Path, catalog: Catalog, reader: CatalogReader) -> None:
        super().__init__(folder / "photos", catalog, reader, WatchConfig(settle=0.0))
        self.state = folder / "state"
        self.looker = Looker(self.roots, self.rules)
        self.beside: list[bytes] = []  # files beside photos that came, changed or went
        self.on_sidecar: Callable[[bytes], None] = self.beside.append
        self.settler = Settler(
            catalog, self.backlog, self.looker, lambda path: self.on_sidecar(path)
        )
        self.spec = a_model()
        with catalog.writing():
            self.model = catalog.model(self.spec)
        self.see_roots()

    def see_roots(self) -> None:
        """Look at the root, as the watcher does every other second."""
        self.check()

    def look(self, name: str | bytes) -> bytes | None:
        """Settle one path and what it leads to; return it when it has to be read."""
        with self.catalog.writing():
            found = self.settler.settle(self.path(name))
        if isinstance(found, ToRead):
            return found.path
        for path in found or ():
            self.look(path)
        return None

    def settle(self) -> set[bytes]:
        """Look at all that the backlog holds, and at what this adds; return what is to be read."""
        unread: set[bytes] = set()
        for _ in range(20):
            work = self.backlog.take(1000, 0.0)
            paths = list(work.paths)
            for folder in work.folders:
                name = os.path.relpath(folder.path, self.root.path)
                top = "" if name == b"." else name
                paths += self.differing(top, deep=folder.deep)
            if not paths:
                return unread
            unread |= {path for path in paths if self.look(path)}
        raise AssertionError("the backlog never comes to rest")

    def record(self, name: str | bytes, content: int, vector: bool = True) -> int:
        """Record a file as a photo, as if it had been read; return the photo."""
        path = self.path(name)
        with self.catalog.writing():
            photo = self.catalog.add_photo(a_hash(content), 4, 3, "JPEG", "", 1000)
            self.catalog.put_path(self.root.id, path, stat_with_birth(path).fingerprint, photo)
            if vector:
                self.catalog.put_vector(self.model, photo, a_vector(content))
        return photo

    def photo(self, name: str, content: int = 1, vector: bool = True) -> int:
        """Save a file and record it."""
        self.save(name, b"content %d" % content)
        return self.record(name, content, vector)

    def lies_at(self, name: str | bytes) -> int | None:
        """Return the photo that the catalog has at a path."""
        return self.reader.photo_at(self.path(name))


@contextmanager
def write_path(folder: Path) -> Iterator[WritePath]:
    """Make a write path in a folder; close its catalog afterwards."""
    (folder / "state").mkdir(parents=True)
    catalog = Catalog.open(folder / "state" / CATALOG)
    reader = CatalogReader(folder / "state" / CATALOG)
    house = WritePath(folder, catalog, reader)
    try:
        yield house
    finally:
        house.roots.close()
        reader.close()
        catalog.close()
