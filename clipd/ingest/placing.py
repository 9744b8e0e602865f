"""Files taken for known photos by path, size and time, unread, because the user says so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from clipd.errors import RequestError
from clipd.ingest.meta_keeper import MetaKeeper
from clipd.ingest.triage import Known, ReadFile, decide
from clipd.photo import Fingerprint
from clipd.store.catalog import Catalog
from clipd.store.vector_file import PortableFile
from clipd.watch.look import Looker

# NTFS and SMB keep tenths of a microsecond of a file's time.
_NEAR_NS = 1000


class Placer:
    """Lets paths go live without a look into their files. The indexer's thread only.

    Whoever lies about a file shows one photo under the name of another: `verify --deep` finds it.
    """

    def __init__(
        self, catalog: Catalog, looker: Looker, want_headers: Callable[[Sequence[int]], None]
    ) -> None:
        """Make a placer.

        Args:
            want_headers: has the headers of photos read again, in the transaction.
        """
        self._catalog = catalog
        self._looker = looker
        self._want_headers = want_headers
        self._keeper = MetaKeeper(catalog)

    def place(self, content_hash: bytes, files: Sequence[PortableFile]) -> int:
        """Say that a known photo lies wherever a file would have to be read, and looks like it.

        In a transaction of the caller's.

        Returns:
            How many files were placed.

        Raises:
            RequestError: which disk lies there is still being found out, as after a start.
        """
        photo = self._catalog.photo_of_hash(content_hash)
        if photo is None:
            return 0
        placed = sum(self._place_at(file, photo) for file in files)
        if placed:
            self._keeper.renew_date(photo)
            if self._catalog.is_unread(photo):
                self._want_headers([photo])
        return placed

    def _place_at(self, file: PortableFile, photo: int) -> bool:
        row = self._catalog.path(file.path)
        seen = self._looker.look(file.path, row.fingerprint.device if row is not None else None)
        if seen.kind == "unsure":
            raise RequestError(
                "unsure",
                f"clipd is still looking at the disk of {os.fsdecode(file.path)}; "
                "try again in some seconds",
                503,
            )
        known = Known(row, self._catalog.failure(file.path))
        if not isinstance(decide(seen, known, int(time.time())), ReadFile):
            return False  # it is known, is being written, or is none of ours
        if seen.root is None or seen.fingerprint is None or not _is_like(seen.fingerprint, file):
            return False
        self._catalog.put_path(seen.root.id, file.path, seen.fingerprint, photo)
        return True


def _is_like(seen: Fingerprint, file: PortableFile) -> bool:
    is_near = abs(seen.mtime_ns - file.mtime_ns) < _NEAR_NS
    return seen.size_bytes == file.size_bytes and is_near
