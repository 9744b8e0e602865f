"""What the indexer's thread does now and then: snapshots, backups, purges."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from clipd.config import StoreConfig
from clipd.errors import StorageFullError
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower

_log = logging.getLogger(__name__)
_PURGE_EVERY_SECONDS = 3600.0
_SNAPSHOT_EVERY_SECONDS = 600.0
_PURGE_SLICE = 2000


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
        try:
            if now >= self._purge_due and is_idle:
                self._purge(now)
            if now >= self._snapshot_due and self._follower.is_stale():
                self._snapshot_due = now + _SNAPSHOT_EVERY_SECONDS
                self._save()
            if is_idle and time.time() >= self._backup_due:
                self._backup_due = time.time() + self._config.backup_every
                self._back_up()
        except StorageFullError as error:
            _log.warning("%s", error)

    def finish(self) -> None:
        """Leave a snapshot behind, so that the next start is quick."""
        try:
            self._save()
        except StorageFullError as error:
            _log.warning("%s", error)

    def _purge(self, now: float) -> None:
        before = int(time.time() - self._config.keep)
        with self._catalog.writing():
            removed = self._catalog.purge(before, _PURGE_SLICE)
        if removed:
            _log.info("purged %d rows of files that went away long ago", removed)
        else:
            self._purge_due = now + _PURGE_EVERY_SECONDS

    def _save(self) -> None:
        covered = self._follower.save()
        with self._catalog.writing():
            self._catalog.trim_journal(covered)
