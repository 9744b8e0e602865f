"""Keeping the index equal to what the catalog says belongs in it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from clipd.errors import SnapshotError
from clipd.photo import ModelSpec
from clipd.store.index import IndexKind, VectorIndex
from clipd.store.reader import CatalogReader
from clipd.store.snapshot import Identity, Snapshot, SnapshotFolder

_log = logging.getLogger(__name__)

# Entries of the journal at a time. Taking out 10,000 ids of a million costs hardly more than
# taking out 100, so that a root of many photos that is retired wants large pages.
_PAGE = 5000
_REBUILD_PAGE = 5000  # vectors at a time: 10 MB of 512 dimensions
# A snapshot is written anew after this many changes or this share of the photos, whichever is
# more: at a million photos it is a gigabyte, while replaying 50,000 changes takes a second.
_STALE_CHANGES = 5000
_STALE_SHARE = 0.05


class IndexFollower:
    """The only one that writes the index, on the indexer's thread.

    ``index`` is one object for life; it may be searched from any thread.
    """

    def __init__(
        self,
        reader: CatalogReader,
        model_id: int,
        spec: ModelSpec,
        index_kind: IndexKind,
        folder: Path,
    ) -> None:
        self.index = VectorIndex(spec.dim, index_kind)
        self._reader = reader
        self._model = model_id
        identity = Identity(reader.lineage(), spec.fingerprint, index_kind, spec.dim)
        self._snapshots = SnapshotFolder(folder, identity)
        self._applied = 0  # the journal up to here is in the index
        self._saved: int | None = None  # generation of the newest snapshot that is trusted
        self._changes = 0  # since that snapshot

    def start(self) -> str:
        """Fill the index from a trusted snapshot and the journal, else from the catalog.

        Returns:
            What was done, for the log.
        """
        for snap in self._snapshots.found():
            try:
                replayed = self._resume(snap)
            except SnapshotError as error:
                _log.warning("a snapshot of the index is not used: %s", error)
                continue
            return f"index: {len(self.index)} photos, {replayed} changes after the snapshot"
        self.rebuild()
        return f"index: {len(self.index)} photos, built from the catalog"

    def catch_up(self) -> int:
        """Take in what the journal says since the last time.

        Returns:
            How many photos were looked at again.
        """
        floor, _ = self._reader.journal_span()
        if floor > self._applied:
            _log.warning("the journal no longer reaches back to the index: building it anew")
            self.rebuild()
            return len(self.index)
        touched = 0
        while True:
            seq, photos = self._reader.journal_after(self._applied, _PAGE)
            if not photos:
                self._changes += touched
                return touched
            ids, vectors = self._reader.vectors_of(self._model, photos)
            self.index.replace(np.array(photos, dtype=np.int64), ids, vectors)
            self._applied = seq
            touched += len(photos)

    def save(self) -> int:
        """Save a snapshot of the index, unless the newest one is as good.

        Returns:
            The sequence number up to which the journal may be trimmed: both of the snapshots
            that are kept can still be brought up to date.

        Raises:
            StorageFullError: there is no room; older snapshots stand.
        """
        if self._saved != self._applied:
            self._snapshots.save(self.index, self._applied)
            self._saved = self._applied
        self._changes = 0
        return min((snap.generation for snap in self._snapshots.found()), default=0)

    def is_stale(self) -> bool:
        """Tell whether a new snapshot is worth its writing."""
        return self._changes >= max(_STALE_CHANGES, _STALE_SHARE * len(self.index))

    def differences(self) -> tuple[list[int], list[int]]:
        """Return the ids that are missing in the index, and those that are surplus.

        On the indexer's thread after ``catch_up``, or with nothing to do, both are empty.
        """
        wanted = self._reader.indexable_ids(self._model)
        present = self.index.ids()
        missing = np.setdiff1d(wanted, present, assume_unique=True)
        surplus = np.setdiff1d(present, wanted, assume_unique=True)
        return sorted(missing.tolist()), sorted(surplus.tolist())

    def rebuild(self) -> None:
        """Build the index from the catalog and put it in place at once."""
        # What is written while this reads is in the journal behind the head, and replayed.
        _, head = self._reader.journal_span()
        fresh = VectorIndex(self.index.dim, self.index.kind)
        nothing = np.empty(0, dtype=np.int64)
        last = 0
        while True:
            ids, vectors = self._reader.indexable(self._model, last, _REBUILD_PAGE)
            if not len(ids):
                break
            fresh.replace(nothing, ids, vectors)
            last = int(ids[-1])
        self.index.adopt(fresh)
        self._applied = head
        self._saved = None
        self._changes = len(self.index)

    def _resume(self, snap: Snapshot) -> int:
        floor, head = self._reader.journal_span()
        if not floor <= snap.generation <= head:
            raise SnapshotError(
                f"the journal ({floor} to {head}) does not reach snapshot {snap.generation}"
            )
        self.index.adopt(self._snapshots.load(snap))
        self._applied = self._saved = snap.generation
        replayed = self.catch_up()
        counts = self._reader.counts(self._model)
        if len(self.index) != counts.photos - counts.without_vector:
            raise SnapshotError(f"snapshot {snap.generation} and the catalog do not agree")
        return replayed
