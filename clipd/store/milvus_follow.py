"""Keeping a Milvus equal to what the catalog says belongs in the index.

While it is away nothing waits for it but searches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

import numpy as np

from clipd.errors import IndexAwayError
from clipd.photo import ModelSpec
from clipd.store.index_comparison import compare
from clipd.store.index_protocol import IndexState
from clipd.store.lost_vectors import LostVectors, has_all_vectors
from clipd.store.milvus_collection import MOST, MilvusCollection
from clipd.store.milvus_filling import MilvusFilling
from clipd.store.milvus_index import MilvusIndex
from clipd.store.milvus_link import MilvusLink
from clipd.store.milvus_replay import MilvusReplay
from clipd.store.pace import Pace
from clipd.store.reader import CatalogReader

_log = logging.getLogger(__name__)

_SLICE_SECONDS = 0.5  # of the indexer's thread at a time: new photos wait no longer
_START_SECONDS = 10.0  # of a start, for a Milvus Lite and for what has changed meanwhile
_CONFIRM_SECONDS = 3.0  # of the indexer's thread at most, for what came since a check began
_TRIM_EVERY = 5000  # changes, after which the journal is cut


class MilvusFollower:
    """The only one that writes the collection, on the indexer's thread.

    ``index`` is one object for life; it may be searched from any thread.
    """

    def __init__(
        self,
        reader: CatalogReader,
        model_id: int,
        spec: ModelSpec,
        link: MilvusLink,
        drop: Callable[[Sequence[int]], None] | None = None,
    ) -> None:
        """Make a follower; Milvus is not asked yet.

        Args:
            reader: of the catalog.
            model_id: whose vectors belong in the index.
            spec: of that model.
            link: to the Milvus; closed with the follower.
            drop: takes the vectors of photos out of the catalog, so that they are encoded again;
                called on the thread that calls this, outside of a transaction.
        """
        self._reader = reader
        self._model = model_id
        self._link = link
        self._rows = MilvusCollection(
            self._link, reader.journal.lineage(), spec.fingerprint, spec.dim
        )
        self.index = MilvusIndex(self._rows, reader, model_id)
        self._lost = LostVectors(drop, partial(has_all_vectors, reader, model_id))
        self._replay = MilvusReplay(reader, model_id, link, self._rows, self.index, self._lost)
        self._trimmed = 0
        self._has_more = False
        self._was_away = False

    def start(self) -> str:
        """Ask Milvus how far it is, and let it catch up for a while.

        Returns:
            What was done, for the log.
        """
        deadline = time.monotonic() + _START_SECONDS
        touched = self._follow(deadline, _START_SECONDS)
        if not self._replay.is_open:
            return f"index: {self._link.reason}; it is tried again, and photos are taken in"
        return f"index: {self._replay.held} photos in {self._link.name}, {touched} changes taken in"

    def catch_up(self) -> int:
        """Take in what the journal says since the last time, for half a second at most.

        Returns:
            How many photos were looked at again; 0 while Milvus is away.
        """
        return self._follow(time.monotonic() + _SLICE_SECONDS)

    def must_go_on(self) -> bool:
        """Tell whether ``catch_up`` has more to do at once."""
        return self._has_more and self._link.is_due

    def save(self, within_seconds: float = 0.0) -> int:
        """Return up to where the journal may be trimmed; nothing else is to be kept."""
        self._trimmed = self._replay.applied
        return self._replay.applied

    def builder_of(self, model_id: int, spec: ModelSpec) -> MilvusFilling:
        """Return what fills the collection of another model of the catalog."""
        other = MilvusFollower(self._reader, model_id, spec, self._link)
        # The link is the indexer's to connect.
        return MilvusFilling(lambda: other.catch_up() if self._link.is_up else 0)

    def begin_merge(self) -> None:
        """Do nothing: Milvus merges by itself."""

    def poll_merge(self) -> int | None:
        """Return up to where the journal may be trimmed, now and then."""
        return self.save() if self._replay.applied - self._trimmed >= _TRIM_EVERY else None

    def stop_merging(self) -> None:
        """Do nothing: Milvus merges by itself."""

    def hurry(self) -> None:
        """Disconnect as soon as nothing is under way; the rest is taken in after the next start."""
        self._link.hurry()

    def close(self) -> None:
        """Disconnect."""
        self._link.close()

    def state(self) -> IndexState:
        """Tell how the index stands. Any thread."""
        return IndexState(
            "milvus", self._replay.held, behind=self._replay.behind(), away=self._link.reason
        )

    def is_stale(self) -> bool:
        """Return False: there is no base to build."""
        return False

    def is_worth_saving(self) -> bool:
        """Return True: it costs nothing."""
        return True

    def trouble(self) -> str:
        """Say why the index is away, or whose vectors were damaged. Any thread."""
        if not (reason := self._link.reason or self._link.shortage):
            return self._lost.trouble()
        behind = self._replay.behind()
        how_far = f"{behind:,} changes behind" if behind else "away"
        return f"the index is {how_far}: {reason} (photos are taken in; it is tried again)"

    def differences(self, pace: Pace | None = None) -> tuple[list[int], list[int]]:
        """Return the ids that are missing in Milvus, and those that are surplus. Any thread.

        Raises:
            CheckStoppedError: the pace was told to end.
            IndexAwayError: it cannot be asked just now, or is still being filled.
        """
        if reason := self._link.reason:
            raise IndexAwayError(reason)
        if self._replay.is_filling:
            raise self._still_behind()
        held, count = self._rows.held, len(self.index)
        return compare(self._reader, self._model, held, count, pace or Pace(), MOST)

    def base_problem(self, pace: Pace) -> str:
        """Return "": nothing of the index lies on a disk of ours."""
        return ""

    def drop_base(self) -> None:
        """Have the index filled anew."""
        self.rebuild()

    def confirmed(self, photos: Collection[int]) -> tuple[list[int], list[int]]:
        """Return those of ``photos`` that Milvus lacks, and those that it should not hold.

        On the indexer's thread, so that nothing changes meanwhile.

        Raises:
            IndexAwayError: it cannot be asked just now, or is far behind.
        """
        deadline = time.monotonic() + _CONFIRM_SECONDS
        while self.catch_up() or self.must_go_on():
            if time.monotonic() >= deadline:
                raise self._still_behind()
        ids = np.array(sorted(photos), dtype=np.int64)
        held = self._rows.held_of(ids)
        wanted, _ = self.index.vectors(ids)
        return np.setdiff1d(wanted, held).tolist(), np.setdiff1d(held, wanted).tolist()

    def mend(self, photos: Collection[int]) -> None:
        """Have Milvus say of ``photos`` what the catalog says. On the indexer's thread.

        Raises:
            IndexAwayError: it cannot be written just now.
        """
        self._replay.take(sorted(photos))
        self._lost.drop()
        if any(self.confirmed(photos)):
            self.rebuild()

    def rebuild(self) -> None:
        """Have the index filled anew from the catalog, in slices."""
        self._replay.rebuild()
        self._has_more = True

    def _follow(self, deadline: float, start_seconds: float = 0.0) -> int:
        touched = 0
        if not self._link.is_due:
            return touched
        try:
            self._replay.open(start_seconds)
            while taken := self._replay.step():
                touched += taken
                if time.monotonic() >= deadline:
                    break
            self._has_more = taken > 0
            if touched and not taken:
                self._replay.held = len(self.index)
            self._link.be_well()
            if self._was_away:
                _log.info("%s answers again", self._link.name)
            self._was_away = False
        except IndexAwayError as error:
            self._note_away(error)
        self._lost.drop()
        return touched

    def _still_behind(self) -> IndexAwayError:
        behind = f"{self._replay.behind():,} changes behind"
        return IndexAwayError(f"{self._link.name} is still {behind}; try again when it caught up")

    def _note_away(self, error: IndexAwayError) -> None:
        self._has_more = False
        if not self._link.is_up:
            self._replay.forget()
        if not self._was_away and not self._link.is_closing:
            _log.warning("%s; photos are taken in, and the index catches up later", error)
        self._was_away = True
