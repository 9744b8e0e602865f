"""How many files there are in all, found out beside the work, for the time that is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from clipd.bulk.batch import RefusedFile
from clipd.bulk.photo_list import PhotoList


class PhotoCount:
    """A count that is under way on a thread of its own. `total` is for any thread."""

    def __init__(self, photos: PhotoList) -> None:
        self._photos = photos
        self._stop = threading.Event()
        self._total: int | None = None
        # A disk that does not answer must not keep the run from ending: the thread is left behind.
        self._thread = threading.Thread(target=self._count, name="clipd-bulk-count", daemon=True)

    def total(self) -> int | None:
        """Return how many there are; None while that is not known."""
        return self._total

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self) -> None:
        """Stop counting."""
        self._stop.set()
        self._thread.join(1.0)

    def _count(self) -> None:
        found = 0
        unlisted: list[RefusedFile] = []
        for _ in self._photos.files(unlisted.append):
            found += 1
            if self._stop.is_set():
                return
        self._total = found + len(unlisted)


@contextmanager
def counting(photos: PhotoList) -> Iterator[PhotoCount]:
    """Count files for the length of the block."""
    count = PhotoCount(photos)
    count.start()
    try:
        yield count
    finally:
        count.stop()
