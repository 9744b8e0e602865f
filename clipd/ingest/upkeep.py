"""What the indexer's thread does now and then: snapshots, backups, purges."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import partial

from clipd.config.options import StoreConfig
from clipd.errors import StoreUnavailableError
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower

_log = logging.getLogger(__name__)
_PURGE_EVERY_SECONDS = 3600.0
_SNAPSHOT_EVERY_SECONDS = 600.0
_PURGE_SLICE = 2000
_STOP_SECONDS = 4.0  # for the snapshot at the end: a stop has ten in all


class Upkeep:
    """Keeps the stores small and recoverable. The indexer's thread only."""

    def __init__(
        self,
        config: StoreConfig,
        catalog: Catalog,
        follower: IndexFollower,
        back_up: Callable[[], object],
        last_backup: float,
    ) -> None:
        """Make the upkeep.

        Args:
            back_up: writes a copy of the catalog.
            last_backup: when that was done last, seconds since the epoch; 0 for never.
        """
        self._config = config
        self._catalog = catalog
        self._follower = follower
        self._back_up = back_up
        self._backup_due = last_backup + config.backup_every
        self._purge_due = time.monotonic()
        self._snapshot_due = time.monotonic() + _SNAPSHOT_EVERY_SECONDS

    def run(self, is_idle: bool) -> None:
        """Do what is due; the heavy parts only when nothing else waits."""
        now = time.monotonic()
        if is_idle and now >= self._purge_due:
            _as_far_as_there_is_room(self._purge)
        if now >= self._snapshot_due and self._follower.is_stale():
            self._snapshot_due = now + _SNAPSHOT_EVERY_SECONDS
            _as_far_as_there_is_room(self._save)
        if is_idle and time.time() >= self._backup_due:
            self._backup_due = time.time() + self._config.backup_every
            _as_far_as_there_is_room(self._back_up)

    def finish(self) -> None:
        """Leave a snapshot behind, so that the next start is quick."""
        # Of a million photos it is a gigabyte: a few changes are sooner replayed than saved.
        if self._follower.is_worth_saving():
            _as_far_as_there_is_room(partial(self._save, _STOP_SECONDS))

    def _purge(self) -> None:
        self._purge_due = time.monotonic() + _PURGE_EVERY_SECONDS
        before = int(time.time() - self._config.keep)
        with self._catalog.writing():
            removed = self._catalog.purge(before, _PURGE_SLICE)
            is_more = self._catalog.purge_models(before, _PURGE_SLICE)
            is_more |= self._catalog.add_checksums(_PURGE_SLICE) > 0
        if is_more:
            self._purge_due = 0.0
        if removed:
            self._purge_due = 0.0  # there may be more
            _log.info("purged %d rows of files that went away long ago", removed)

    def _save(self, within_seconds: float = math.inf) -> None:
        covered = self._follower.save(within_seconds)
        with self._catalog.writing():
            self._catalog.trim_journal(covered)


def _as_far_as_there_is_room(duty: Callable[[], object]) -> None:
    try:
        duty()
    except StoreUnavailableError as error:
        _log.warning("%s", error)
