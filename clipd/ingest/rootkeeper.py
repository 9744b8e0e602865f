"""What a root that comes or goes means for the catalog."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from clipd.errors import StoreUnavailableError
from clipd.ingest.inbox import Inbox
from clipd.store.catalog import Catalog
from clipd.store.rows import VolumeRow
from clipd.watch.root import Root, RootChange, VolumeChange

_log = logging.getLogger(__name__)
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
