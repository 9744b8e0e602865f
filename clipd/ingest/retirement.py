"""Taking the photos of folders that are not configured any more out of the hits."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator

from clipd.errors import StoreUnavailableError
from clipd.store.catalog import Catalog

_log = logging.getLogger(__name__)
_AGAIN_SECONDS = 15.0  # after a disk that took no writes


class Retirement:
    """Retires roots, a slice of their paths at a time: a million take a quarter of a minute.

    The indexer's thread only, or another before that starts. Until its turn comes, a photo stays
    a hit, marked offline.
    """

    def __init__(self, catalog: Catalog, keep: Collection[int]) -> None:
        """Make a retirement.

        Args:
            keep: the roots that are configured; all others are to be retired.
        """
        self._catalog = catalog
        self._keep = frozenset(keep)
        self._slices: Iterator[int] | None = self._begun()
        self._due = 0.0  # time.monotonic()
        self._gone = 0  # paths

    @property
    def is_due(self) -> bool:
        """Whether there is a slice to retire, on a disk that takes writes as far as is known."""
        return self._slices is not None and time.monotonic() >= self._due

    def go_on(self, within_seconds: float = 0.0) -> None:
        """Retire one slice if there is any, and more of them until the time is over."""
        until = time.monotonic() + within_seconds
        while self._slices is not None and self.is_due:
            self._step(self._slices)
            if time.monotonic() >= until:
                return

    def _step(self, slices: Iterator[int]) -> None:
        try:
            gone = next(slices, None)
        except StoreUnavailableError as error:
            _log.warning("%s", error)
            self._slices = self._begun()  # what is retired is passed over
            self._due = time.monotonic() + _AGAIN_SECONDS
            return
        if gone is not None:
            self._gone += gone
            return
        self._slices = None
        if self._gone:
            _log.info("%d paths lie in folders that are no longer watched", self._gone)

    def _begun(self) -> Iterator[int]:
        return self._catalog.retire_roots(self._keep, int(time.time()))
