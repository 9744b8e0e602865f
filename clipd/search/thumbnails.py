"""Thumbnails of photos: from the cache, else from decoders of their own. Any thread."""

from __future__ import annotations

import os

from clipd.decode.pool import DecoderPool
from clipd.decode.thumbnail_cache import ThumbnailCache
from clipd.errors import RequestError
from clipd.photo import Refused, same
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
    """

    def __init__(
        self, reader: CatalogReader, roots: Roots, pool: DecoderPool, cache: ThumbnailCache
    ) -> None:
        self._reader = reader
        self._roots = roots
        self._pool = pool
        self._cache = cache

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

    def _file(self, place: Located) -> LiveFile | None:
        return None if place.is_aside else self._reader.live_file(place.path)

    def _drawn(self, place: Located, file: LiveFile, side: int) -> bytes | str:
        """Return a thumbnail of the file at a place, or why there is none."""
        path = os.fsdecode(place.path)
        if self._roots.is_offline(place.path, place.root, place.device):
            return f"{path}: its drive is not there"
        drawn = self._pool.draw_now(place.path, place.root, side)
        if isinstance(drawn, Refused):
            return f"{path}: {drawn.reason}"
        # What lies there now may be another picture than the one that was found.
        if same(file.fingerprint, drawn.fingerprint) == "changed":
            return f"{path}: the file has changed; clipd is about to look at it again"
        return drawn.jpeg
