"""Where a photo can be read just now: at a path whose drive is there."""

from __future__ import annotations

from clipd.ingest.settling import ToRead
from clipd.store.catalog import Catalog
from clipd.watch.roots import Roots


class Reach:
    """Finds a file to read a photo from. The indexer's thread only."""

    def __init__(self, catalog: Catalog, roots: Roots) -> None:
        self._catalog = catalog
        self._roots = roots

    def file_of(self, photo: int, path: bytes) -> ToRead | None:
        """Return a file of a photo under a root that is not away; None when there is none.

        Args:
            path: one of its live paths, which is asked first.
        """
        return self._at(path) or self._elsewhere(photo)

    def _at(self, path: bytes) -> ToRead | None:
        root = self._roots.of(path)
        if root is None or self._roots.state(root.id).is_away:
            return None
        return ToRead(path, root.id)

    def _elsewhere(self, photo: int) -> ToRead | None:
        files = map(self._at, self._catalog.paths_of(photo))
        return next((file for file in files if file is not None), None)
