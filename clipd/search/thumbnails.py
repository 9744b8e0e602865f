"""Thumbnails of photos: from the cache, else from decoders of their own. Any thread."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from clipd.decode.desktop_thumbnails import DesktopThumbnails
from clipd.decode.pool import DecoderPool
from clipd.decode.thumbnail_cache import ThumbnailCache
from clipd.errors import RequestError
from clipd.photo import Fitted, Refused, same
from clipd.search.query import THUMBNAIL_SIDES
from clipd.store.reader import CatalogReader
from clipd.store.rows import LiveFile, Located
from clipd.watch.roots import Roots


class Thumbnails:
    """Makes photos small for people to look at.

    Args:
        reader: of the catalog.
        roots: which files can be opened now.
        pool: decoders of their own, so that neither indexing nor queries wait for them.
        cache: where thumbnails are kept.
        desktop: what other programs made.
    """

    def __init__(
        self,
        reader: CatalogReader,
        roots: Roots,
        pool: DecoderPool,
        cache: ThumbnailCache,
        desktop: DesktopThumbnails,
    ) -> None:
        self._reader = reader
        self._roots = roots
        self._pool = pool
        self._cache = cache
        self._desktop = desktop

    def draw(self, photo: int, side: int) -> bytes:
        """Return a JPEG of a photo, upright and in sRGB.

        Args:
            photo: its id.
            side: pixels of its longer side.

        Raises:
            RequestError: there is no such photo, or no thumbnail of it; the sentence says why.
            ChildError: no decoder can be started.
        """
        places = self._reader.locate([photo]).get(photo, ())
        known = [(place, file) for place in places if (file := self._file(place)) is not None]
        if not known:
            raise RequestError(
                "no_such_photo", f"there is no photo {photo} any more; search again", 404
            )
        _, file = known[0]
        cached = self._cache.get(file.content_hash, side)
        if cached is not None:
            return cached
        reason = ""
        for place, file in known:
            drawn = self._drawn(place, file, side)
            if isinstance(drawn, bytes):
                self._cache.put(file.content_hash, side, drawn)
                return drawn
            reason = reason or drawn
        raise RequestError("no_thumbnail", reason, 422)

    def fit(self, photo: int, box: tuple[int, int]) -> Fitted:
        """Return a photo as pixels that fit into a box, made of its thumbnail; see `draw`.

        Args:
            photo: its id.
            box: the most pixels across and down, up to the largest side of thumbnails.
        """
        side = next(side for side in THUMBNAIL_SIDES if side >= max(box))
        with _in_memory(self.draw(photo, side)) as fd:
            fitted = self._pool.fit_now(fd, box)
        if isinstance(fitted, Refused):
            raise RequestError("no_thumbnail", f"its thumbnail: {fitted.reason}", 422)
        return fitted

    def _file(self, place: Located) -> LiveFile | None:
        return None if place.is_aside else self._reader.live_file(place.path)

    def _drawn(self, place: Located, file: LiveFile, side: int) -> bytes | str:
        """Return a thumbnail of the file at a place, or why there is none."""
        path = os.fsdecode(place.path)
        if self._roots.is_offline(place.path, place.root, place.device):
            return f"{path}: its drive is not there"
        drawn = self._pool.draw_now(place.path, place.root, side, self._desktop)
        if isinstance(drawn, Refused):
            return f"{path}: {drawn.reason}"
        # What lies there now may be another picture than the one that was found.
        if same(file.fingerprint, drawn.fingerprint) == "changed":
            return f"{path}: the file has changed; clipd is about to look at it again"
        return drawn.jpeg


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """Yield a descriptor of a file that is nowhere on a disk: decoders read nothing else."""
    fd = os.memfd_create("thumbnail")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        yield fd
    finally:
        os.close(fd)
