"""What photos say of themselves, and what follows from it and from where they lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from clipd.ingest.path_dates import DatedPath, date_of
from clipd.photo import Meta
from clipd.places import place_at
from clipd.store.catalog import Catalog


class MetaKeeper:
    """Keeps metadata, with places by their positions and dates by their paths.

    The indexer's thread, inside its transaction.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put(self, photo: int, meta: Meta) -> None:
        """Keep what a photo says of itself; its paths say the date where it says none."""
        if not meta.taken:
            found = date_of(self._places(photo), datetime.now())
            if found is not None:
                meta = replace(meta, taken=found.taken, taken_from=found.taken_from)
        if meta.lat is None or meta.lon is None:
            self._catalog.put_meta(photo, meta)
            return
        where = place_at(meta.lat, meta.lon)
        self._catalog.put_meta(photo, meta, where.country, where.region, where.city)

    def give_up(self, photo: int) -> None:
        """Ask a photo no more that kills decoders; what it said before is kept."""
        if self._catalog.has_meta(photo):
            self._catalog.mark_read(photo)
        else:
            self.put(photo, Meta())

    def renew_date(self, photo: int) -> None:
        """Date a known photo anew that has come to another path."""
        if not self._catalog.is_dated_by_path(photo):
            return
        found = date_of(self._places(photo), datetime.now())
        if found is not None:
            self._catalog.date_by_path(photo, found.taken, found.taken_from)

    def _places(self, photo: int) -> list[DatedPath]:
        return [DatedPath(path, mtime) for path, mtime in self._catalog.places_of(photo)]
