"""Keeping the index equal to what the catalog says belongs in it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from clipd.config.options import IndexConfig
from clipd.errors import SnapshotError
from clipd.photo import Ids, ModelSpec
from clipd.store.index import VectorIndex
from clipd.store.index_builder import build, codes_of, has_lists
from clipd.store.index_comparison import compare
from clipd.store.index_protocol import IndexState
from clipd.store.lost_vectors import LostVectors, has_all_vectors
from clipd.store.merge import Merge
from clipd.store.pace import Pace
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
_BORDER = 1.1
_QUICKLY_SAVED = 50_000  # photos: .1 s, as measured with 512 dimensions
_QUICKLY_REPLAYED = 500  # changes
_KEEP_SECONDS = 30 * 86400.0


class IndexFollower:
    """The only one that writes the index, on the indexer's thread.

    ``index`` is one object for life; it may be searched from any thread.
    """

    def __init__(
        self,
        reader: CatalogReader,
        model_id: int,
        spec: ModelSpec,
        config: IndexConfig,
        folder: Path,
        drop: Callable[[Sequence[int]], None] | None = None,
        keep_seconds: float = _KEEP_SECONDS,
    ) -> None:
        """Make a follower, with an empty index.

        Args:
            reader: of the catalog.
            model_id: whose vectors belong in the index.
            spec: of that model.
            config: of the index.
            folder: of the snapshots.
            drop: takes the vectors of photos out of the catalog, so that they are encoded again;
                called on the thread that calls this, outside of a transaction.
            keep_seconds: for how long snapshots of another model are kept, for a change back.
        """
        codes = codes_of(config)
        self.index = VectorIndex(spec.dim, codes)
        self._reader = reader
        self._model = model_id
        self._config = config
        self._folder = folder
        identity = self._identity_of(spec)
        self._snapshots = SnapshotFolder(folder, identity, keep_seconds)
        self._merge = Merge(reader, model_id, identity, config, folder)
        self._applied = 0  # the journal up to here is in the index
        self._saved: int | None = None  # generation of the newest snapshot that is trusted
        self._in_use: Snapshot | None = None  # whose file the index has mapped
        self._changes = 0  # since that snapshot
        self._lost = LostVectors(drop, partial(has_all_vectors, reader, model_id))

    @property
    def applied(self) -> int:
        """Up to where the index has taken in the journal."""
        return self._applied

    def start(self) -> str:
        """Fill the index from a trusted snapshot and the journal, else from the catalog.

        Returns:
            What was done, for the log.
        """
        for snap in self._snapshots.found():
            try:
                self._snapshots.check_quickly(snap)
                replayed = self._resume(snap)
            except SnapshotError as error:
                # As text: the error itself holds on to what was opened.
                _log.warning("a snapshot of the index is not used: %s", str(error))
                continue
            return f"index: {len(self.index)} photos, {replayed} changes after the snapshot"
        self.rebuild()
        return f"index: {len(self.index)} photos, built from the catalog"

    def catch_up(self) -> int:
        """Take in what the journal says since the last time.

        Returns:
            How many photos were looked at again.
        """
        floor, _ = self._reader.journal.span()
        if floor > self._applied:
            _log.warning("the journal no longer reaches back to the index: building it anew")
            self.rebuild()
            return len(self.index)
        self._applied, touched = self._replay(self.index, self._applied)
        self._changes += touched
        self._lost.drop()
        return touched

    def _replay(self, index: VectorIndex, since: int) -> tuple[int, int]:
        """Have an index take in the journal; return how far that goes, and how many photos."""
        touched = 0
        while True:
            seq, photos = self._reader.journal.after(since, _PAGE)
            if not photos:
                return since, touched
            page = self._reader.vectors.indexable_of(self._model, photos)
            index.replace(np.array(photos, dtype=np.int64), page.ids, page.vectors)
            self._lost.take_note(page)
            since = seq
            touched += len(photos)

    def save(self, within_seconds: float = math.inf) -> int:
        """Save a snapshot of what the catalog holds, unless the newest one is as good.

        Args:
            within_seconds: give up when the disk takes longer.

        Returns:
            The sequence number up to which the journal may be trimmed: all of the snapshots
            that are kept can still be brought up to date.

        Raises:
            StoreUnavailableError: there is no room, or no time; older snapshots stand.
        """
        if self._saved != self._applied:
            deadline = time.monotonic() + within_seconds
            before = self._snapshots.before()
            built = build(self._reader, self._model, self.index.dim, self._config, before)
            self._take_base(self._snapshots.save(built, deadline))
        return self._snapshots.oldest_generation()

    def builder_of(self, model_id: int, spec: ModelSpec) -> Merge:
        """Return what builds the base of the index of another model, in a child."""
        identity = self._identity_of(spec)
        return Merge(self._reader, model_id, identity, self._config, self._folder)

    def begin_merge(self) -> None:
        """Have a child build a new base, unless one does already; ``poll_merge`` takes it."""
        self._merge.begin()

    def poll_merge(self) -> int | None:
        """Take the base that a child has built.

        Returns:
            What ``save`` returns; None where there is no new base.

        Raises:
            StoreUnavailableError: there was no room for it.
        """
        generation = self._merge.poll()
        if generation is None:
            return None
        newest = next(iter(self._snapshots.found()), None)
        if newest is None or newest.generation != generation:
            return None
        self._take_base(newest)
        return self._snapshots.oldest_generation()

    def stop_merging(self) -> None:
        """End what a child does."""
        self._merge.stop()

    def hurry(self) -> None:
        """Do nothing: no engine is waited for."""

    def close(self) -> None:
        """Let go of files and children; nothing is to be found any more."""
        self._merge.stop()
        self.index.adopt(VectorIndex(self.index.dim, self.index.codes))

    def state(self) -> IndexState:
        """Tell how the index stands. Any thread."""
        base, is_merging = self.index.base, self._merge.is_running
        lists, nprobe, recall = (base.lists, base.nprobe, base.recall) if base else (0, 0, 1.0)
        photos, changes = len(self.index), self._changes
        return IndexState(self.index.kind, photos, lists, nprobe, recall, changes, is_merging)

    def must_go_on(self) -> bool:
        """Return False: ``catch_up`` takes in all there is."""
        return False

    def _take_base(self, snap: Snapshot) -> None:
        try:
            self._resume(snap)
        except SnapshotError as error:
            _log.warning("a new base of the index is not used: %s", str(error))
            self.rebuild()
        self._snapshots.prune(self._reader.model_fingerprints())

    def is_stale(self) -> bool:
        """Tell whether a new base is worth its building."""
        base, photos = self.index.base, len(self.index)
        if base is not None:
            # Of another shape than is wanted, and not just at the border between the two.
            around = (int(photos / _BORDER), int(photos * _BORDER))
            if all(has_lists(self._config, count) != bool(base.lists) for count in around):
                return True
        return self._changes >= max(_STALE_CHANGES, _STALE_SHARE * photos)

    def is_worth_saving(self) -> bool:
        """Tell whether a start would be quicker with a new snapshot than with the one there is."""
        is_small = len(self.index) <= _QUICKLY_SAVED
        return is_small or self._saved is None or self._changes >= _QUICKLY_REPLAYED

    def trouble(self) -> str:
        """Say whose vectors were damaged, until they are encoded again. Any thread."""
        return self._lost.trouble()

    def differences(self, pace: Pace | None = None) -> tuple[list[int], list[int]]:
        """Return the ids that are missing in the index, and those that are surplus.

        Any thread. While the indexer is at work, those that have just come or gone may be among
        them: let ``confirmed`` have the last word.

        Raises:
            CheckStoppedError: the pace was told to end.
        """
        present, copies = np.unique(self.index.ids(), return_counts=True)

        def held(after: int, upto: int | None) -> Ids:
            end = len(present) if upto is None else int(np.searchsorted(present, upto, "right"))
            return present[np.searchsorted(present, after, "right") : end]

        missing, surplus = compare(self._reader, self._model, held, len(present), pace or Pace())
        return missing, sorted({*surplus, *present[copies > 1].tolist()})

    def base_problem(self, pace: Pace) -> str:
        """Read the file of the base again; say what is wrong with it, or "". Any thread.

        Raises:
            CheckStoppedError: the pace was told to end.
        """
        snap = self._in_use
        if snap is None:
            return ""
        pace.begin("index on the disk", snap.size_bytes)
        try:
            self._snapshots.check(snap, pace)
        except SnapshotError as error:
            return str(error) if snap is self._in_use else ""  # another took its place meanwhile
        return ""

    def drop_base(self) -> None:
        """Build the index anew in memory, and delete the base. On the indexer's thread."""
        snap = self._in_use
        self.rebuild()
        if snap is not None:
            self._snapshots.drop(snap)

    def confirmed(self, photos: Collection[int]) -> tuple[list[int], list[int]]:
        """Return those of ``photos`` that the index lacks, and those that it should not hold so.

        On the indexer's thread, so that nothing changes meanwhile.
        """
        self.catch_up()
        ids = np.array(sorted(photos), dtype=np.int64)
        present, copies = np.unique(self.index.ids(), return_counts=True)
        held = np.isin(ids, present)
        is_twice = np.isin(ids, present[copies > 1])
        wanted = self._reader.vectors.indexable_of(self._model, ids.tolist())
        is_wanted = np.isin(ids, wanted.ids)
        return ids[is_wanted & ~held].tolist(), ids[(held & ~is_wanted) | is_twice].tolist()

    def mend(self, photos: Collection[int]) -> None:
        """Have the index say of ``photos`` what the catalog says. On the indexer's thread."""
        every = sorted(photos)
        for start in range(0, len(every), _PAGE):
            page = every[start : start + _PAGE]
            found = self._reader.vectors.indexable_of(self._model, page)
            self.index.replace(np.array(page, dtype=np.int64), found.ids, found.vectors)
            self._lost.take_note(found)
        self._lost.drop()
        self._saved = None  # a snapshot that was saved before may hold what was wrong
        if any(self.confirmed(photos)):
            self.rebuild()

    def rebuild(self) -> None:
        """Build the index from the catalog and put it in place at once."""
        # What is written while this reads is in the journal behind the head, and replayed.
        _, head = self._reader.journal.span()
        fresh = VectorIndex(self.index.dim, self.index.codes)
        nothing = np.empty(0, dtype=np.int64)
        last = 0
        while (page := self._reader.vectors.indexable(self._model, last, _REBUILD_PAGE)).last:
            fresh.replace(nothing, page.ids, page.vectors)
            self._lost.take_note(page)
            last = page.last
        self.index.adopt(fresh)
        self._lost.drop()
        self._applied = head
        self._saved = self._in_use = None
        self._changes = len(self.index)

    def _identity_of(self, spec: ModelSpec) -> Identity:
        lineage = self._reader.journal.lineage()
        return Identity(lineage, spec.fingerprint, self.index.codes, spec.dim)

    def _resume(self, snap: Snapshot) -> int:
        floor, head = self._reader.journal.span()
        if not floor <= snap.generation <= head:
            raise SnapshotError(
                f"the journal ({floor} to {head}) does not reach snapshot {snap.generation}"
            )
        fresh = VectorIndex(self.index.dim, self.index.codes, self._snapshots.load(snap))
        applied, replayed = self._replay(fresh, snap.generation)
        counts = self._reader.counts(self._model)
        if len(fresh) != counts.photos - counts.without_vector:
            raise SnapshotError(f"snapshot {snap.generation} and the catalog do not agree")
        self.index.adopt(fresh)
        self._in_use = snap
        self._applied, self._saved, self._changes = applied, snap.generation, replayed
        self._lost.drop()
        return replayed
