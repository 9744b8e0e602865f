"""What the indexer's thread does besides taking in photos.

Snapshots, backups and purges now and then; what a root that comes or goes means for the catalog;
and the vectors of queries, kept so that a repeated query never waits for the model.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from clipd.config.options import StoreConfig
from clipd.errors import StoreUnavailableError
from clipd.ingest.backup_run import BackupRun
from clipd.ingest.inbox import Inbox
from clipd.store.catalog import Catalog
from clipd.store.index_protocol import Follower
from clipd.store.pace import Pace
from clipd.store.rows import VolumeRow
from clipd.watch.root import Root, RootChange, VolumeChange

_log = logging.getLogger(__name__)
_PURGE_EVERY_SECONDS = 3600.0
_FIRST_MERGE_SECONDS = 30.0  # after a start, which may have built all of the index in memory
_MERGE_EVERY_SECONDS = 600.0
_PURGE_SLICE = 2000
_BACKUP_RETRY_SECONDS = 600.0  # after a backup that could not be made
_STOP_SECONDS = 4.0  # for the snapshot at the end: a stop has ten in all


class Upkeep:
    """Keeps the stores small and recoverable. The indexer's thread only."""

    def __init__(
        self,
        config: StoreConfig,
        catalog: Catalog,
        follower: Follower,
        back_up: Callable[[Pace], object],
        last_backup: float,
        spared_model: int = 0,
    ) -> None:
        """Make the upkeep.

        Args:
            back_up: writes a copy of the catalog at a pace, on a thread of its own.
            last_backup: when that was done last, seconds since the epoch; 0 for never.
            spared_model: one that is not in use and kept all the same, 0 for none.
        """
        self._config = config
        self._spared_model = spared_model
        self._catalog = catalog
        self._follower = follower
        self._backup = BackupRun(back_up)
        self.problem = ""  # a sentence, "" when all is well; any thread may read it
        self._backup_due = last_backup + config.backup_every
        self._purge_due = time.monotonic()
        self._merge_due = time.monotonic() + _FIRST_MERGE_SECONDS

    @property
    def is_backing_up(self) -> bool:
        """Whether a backup is being made."""
        return self._backup.is_running

    def run(self, is_idle: bool) -> None:
        """Do what is due; the heavy parts only when nothing else waits."""
        now = time.monotonic()
        if is_idle and now >= self._purge_due:
            _as_far_as_there_is_room(self._purge)
        if now >= self._merge_due and self._follower.is_stale():
            self._merge_due = now + _MERGE_EVERY_SECONDS
            _as_far_as_there_is_room(self._follower.begin_merge)
        _as_far_as_there_is_room(self._take_merged)
        if self._backup.is_running:
            self._take_backup()
        elif is_idle and time.time() >= self._backup_due:
            self._backup.begin()

    def finish(self) -> None:
        """Leave a snapshot behind, so that the next start is quick."""
        self._backup.stop()
        self._follower.stop_merging()
        # Of a million photos it is a gigabyte: a few changes are sooner replayed than saved.
        if self._follower.is_worth_saving():
            _as_far_as_there_is_room(partial(self._save, _STOP_SECONDS))

    def _take_backup(self) -> None:
        wait = self._config.backup_every
        try:
            if not self._backup.take_outcome():
                return
            self.problem = ""
        except StoreUnavailableError as error:
            self.problem = f"there is no new backup of the catalog: {error}"
            _log.warning("%s", self.problem)
            wait = min(wait, _BACKUP_RETRY_SECONDS)
        self._backup_due = time.time() + wait

    def _purge(self) -> None:
        self._purge_due = time.monotonic() + _PURGE_EVERY_SECONDS
        before = int(time.time() - self._config.keep)
        with self._catalog.writing():
            removed = self._catalog.purge(before, _PURGE_SLICE)
            is_more = self._catalog.purge_models(before, _PURGE_SLICE, self._spared_model)
            is_more |= self._catalog.add_checksums(_PURGE_SLICE) > 0
        if is_more:
            self._purge_due = 0.0
        if removed:
            self._purge_due = 0.0  # there may be more
            _log.info("purged %d rows of files that went away long ago", removed)

    def _save(self, within_seconds: float) -> None:
        self._trim(self._follower.save(within_seconds))

    def _take_merged(self) -> None:
        covered = self._follower.poll_merge()
        if covered is not None:
            self._trim(covered)

    def _trim(self, covered: int) -> None:
        with self._catalog.writing():
            self._catalog.trim_journal(covered)


def _as_far_as_there_is_room(duty: Callable[[], object]) -> None:
    try:
        duty()
    except StoreUnavailableError as error:
        _log.warning("%s", error)


# A drive that is pulled, or a folder that is being removed, can make its files vanish
# before itself: what was taken for deleted in this time before is taken back.
_DOUBT_SECONDS = 60


class RootKeeper:
    """Told of changes on the watcher's thread; writes on the indexer's."""

    def __init__(self, catalog: Catalog, inbox: Inbox, encode_anew: Callable[[], None]) -> None:
        """Make a keeper.

        Args:
            encode_anew: looks again for photos without a vector; on the indexer's thread.
        """
        self._catalog = catalog
        self._inbox = inbox
        self._encode_anew = encode_anew

    def root_changed(self, change: RootChange) -> None:
        """Take note of a root that came, went, or is another folder than before."""
        self._inbox.tell(lambda: self._record(change))

    def _record(self, change: RootChange) -> None:
        try:
            with self._catalog.writing():
                self._write(change)
        except StoreUnavailableError as error:
            _log.warning("%s", error)
        # The index follows at the end of a turn: without this, the next one may be seconds away.
        self._inbox.post(None)
        if not change.now.is_away:
            self._encode_anew()

    def _write(self, change: RootChange) -> None:
        for volume in change.volumes:
            self._take_volume(change.root, volume)
        if change.identity is not None:
            self._catalog.remember_root(change.root.id, *change.identity)
        if change.now.state == "offline" and change.before is not None:
            since = int(time.time()) - _DOUBT_SECONDS
            revived = self._catalog.revive(change.root.id, since)
            if revived:
                _log.info("%d paths are kept: their folder went away with them", revived)

    def _take_volume(self, root: Root, change: VolumeChange) -> None:
        seen = change.seen
        here = VolumeRow(change.now or 0, seen.folder, seen.uuid, seen.device, seen.inode)
        is_news = self._catalog.take_volume(root.id, here, change.before)
        if not is_news or change.before in (None, change.now):
            return
        folder = os.fsdecode(seen.folder)
        _log.info("another volume lies at %s; the photos of the former one are kept", folder)
        if seen.folder == root.path:
            self._catalog.remember_root(root.id, seen.device, seen.inode)


class TextMemory:
    """Has the indexer's thread write what any thread wants remembered."""

    def __init__(self, catalog: Catalog, model: int, inbox: Inbox) -> None:
        self._catalog = catalog
        self._model = model
        self._inbox = inbox
        self._is_failing = False  # said once until it works again: there may be 64 in a second

    def remember(self, text: str, vector: NDArray[np.float32]) -> None:
        """Keep the vector of a text; soon, not at once."""
        self._inbox.tell(lambda: self._write(text, vector))

    def _write(self, text: str, vector: NDArray[np.float32]) -> None:
        try:
            with self._catalog.writing():
                self._catalog.put_text_vector(self._model, text, vector, int(time.time()))
            self._is_failing = False
        except StoreUnavailableError as error:
            if not self._is_failing:
                _log.warning("the vectors of queries are not kept: %s", error)
            self._is_failing = True
