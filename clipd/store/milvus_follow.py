"""Keeping a Milvus equal to what the catalog says belongs in the index.

How far it follows is a bookmark in Milvus itself, written after the data: what was written and not
marked is written once more, to the same rows. While it is away nothing waits for it but searches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from clipd.errors import IndexAwayError
from clipd.photo import ModelSpec
from clipd.store.index_comparison import ComparedPage, compare, compared_pages
from clipd.store.index_protocol import IndexState
from clipd.store.lost_vectors import LostVectors, has_all_vectors
from clipd.store.milvus_collection import MOST, Bookmark, MilvusCollection
from clipd.store.milvus_filling import MilvusFilling
from clipd.store.milvus_index import MilvusIndex
from clipd.store.milvus_link import MilvusLink
from clipd.store.pace import Pace
from clipd.store.reader import CatalogReader

_log = logging.getLogger(__name__)

_PAGE = 5000  # entries of the journal, or photos, at a time
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
        self._mark: Bookmark | None = None  # None: Milvus has to be asked (again)
        self._applied = 0  # the journal up to here was in the index when it was last asked
        self._held = 0  # photos in it, about
        self._trimmed = 0
        self._must_rebuild = False
        self._has_more = False
        self._is_counted = False  # against the catalog, once what it lacked was taken in
        self._comparison: Iterator[ComparedPage] = iter(())  # goes on where the counts disagreed
        self._was_away = False
        self._lost = LostVectors(drop, partial(has_all_vectors, reader, model_id))

    def start(self) -> str:
        """Ask Milvus how far it is, and let it catch up for a while.

        Returns:
            What was done, for the log.
        """
        deadline = time.monotonic() + _START_SECONDS
        touched = self._follow(deadline, _START_SECONDS)
        if self._mark is None:
            return f"index: {self._link.reason}; it is tried again, and photos are taken in"
        return f"index: {self._held} photos in {self._link.name}, {touched} changes taken in"

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
        self._trimmed = self._applied
        return self._applied

    def builder_of(self, model_id: int, spec: ModelSpec) -> MilvusFilling:
        """Return what fills the collection of another model of the catalog."""
        other = MilvusFollower(self._reader, model_id, spec, self._link)
        # The link is the indexer's to connect.
        return MilvusFilling(lambda: other.catch_up() if self._link.is_up else 0)

    def begin_merge(self) -> None:
        """Do nothing: Milvus merges by itself."""

    def poll_merge(self) -> int | None:
        """Return up to where the journal may be trimmed, now and then."""
        return self.save() if self._applied - self._trimmed >= _TRIM_EVERY else None

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
        return IndexState("milvus", self._held, behind=self._behind(), away=self._link.reason)

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
        behind = self._behind()
        how_far = f"{behind:,} changes behind" if behind else "away"
        return f"the index is {how_far}: {reason} (photos are taken in; it is tried again)"

    def differences(self, pace: Pace | None = None) -> tuple[list[int], list[int]]:
        """Return the ids that are missing in Milvus, and those that are surplus. Any thread.

        Raises:
            CheckStoppedError: the pace was told to end.
            IndexAwayError: it cannot be asked just now, or is still being filled.
        """
        mark = self._mark
        if reason := self._link.reason:
            raise IndexAwayError(reason)
        if mark is not None and mark.is_filling:
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
        self._take_pages(sorted(photos))
        self._lost.drop()
        if any(self.confirmed(photos)):
            self.rebuild()

    def rebuild(self) -> None:
        """Have the index filled anew from the catalog, in slices."""
        self._must_rebuild = self._has_more = True

    def _follow(self, deadline: float, start_seconds: float = 0.0) -> int:
        touched = 0
        if not self._link.is_due:
            return touched
        try:
            self._open(start_seconds)
            while taken := self._step():
                touched += taken
                if time.monotonic() >= deadline:
                    break
            self._has_more = taken > 0
            if touched and not taken:
                self._held = len(self.index)
            self._link.be_well()
            if self._was_away:
                _log.info("%s answers again", self._link.name)
            self._was_away = False
        except IndexAwayError as error:
            self._note_away(error)
        self._lost.drop()
        return touched

    def _open(self, start_seconds: float) -> None:
        """Ask how far it goes, after every time it was away: it may come back as of before."""
        if self._mark is not None and self._link.is_up:
            return
        self._mark = None
        self._link.connect(start_seconds)
        found = self._rows.open()
        _, head = self._reader.journal.span()
        if found is None:
            _log.info("%s holds nothing of this catalog: it is filled", self._link.name)
            found = Bookmark(head, 0)
            self._rows.mark(found)
        if found.seq > head:
            _log.warning("the index is ahead of the catalog: it is filled anew")
            self._must_rebuild = True
        self._held = self._rows.count()
        self._mark, self._applied = found, found.seq
        self._is_counted, self._comparison = False, iter(())
        self._link.admit()

    def _step(self) -> int:
        """Take in one page; return how many photos it held."""
        assert self._mark is not None
        floor, head = self._reader.journal.span()
        if floor > self._mark.seq and not self._must_rebuild:
            _log.warning("the journal no longer reaches back to the index: it is filled anew")
            self._must_rebuild = True
        if self._must_rebuild:
            # Marked first: a collection that was dropped must not be taken for a full one.
            self._note(Bookmark(head, 0))
            self._rows.clear()
            self._held, self._must_rebuild = 0, False
        if self._mark.is_filling:
            return self._fill()
        seq, photos = self._reader.journal.after(self._mark.seq, _PAGE)
        if photos:
            self._take(photos)
            self._note(replace(self._mark, seq=seq))
            return len(photos)
        if not self._is_counted:
            self._count()
        return self._compare_page()

    def _fill(self) -> int:
        assert self._mark is not None
        page = self._reader.vectors.indexable(self._model, self._mark.filled, _PAGE)
        if not page.last:
            self._rows.flush()
            self._note(replace(self._mark, filled=-1))
            return 1  # the journal is next
        self.index.replace(np.empty(0, np.int64), page.ids, page.vectors)
        self._lost.take_note(page)
        self._held += len(page.ids)
        self._rows.flush_many(self._held)
        self._note(replace(self._mark, filled=page.last))
        return len(page.ids) + len(page.damaged)

    def _take(self, photos: Sequence[int]) -> None:
        page = self._reader.vectors.indexable_of(self._model, photos)
        self.index.replace(np.array(photos, dtype=np.int64), page.ids, page.vectors)
        self._rows.flush_many()
        self._lost.take_note(page)

    def _take_pages(self, photos: Sequence[int]) -> None:
        for start in range(0, len(photos), _PAGE):
            self._take(photos[start : start + _PAGE])

    def _note(self, mark: Bookmark) -> None:
        self._rows.mark(mark)
        self._mark, self._applied = mark, mark.seq

    def _count(self) -> None:
        """Begin to compare all, where there are more or fewer than the catalog says."""
        self._is_counted = True
        self._rows.drop_others(self._reader.model_fingerprints())
        self._held = self._rows.count()
        if self._held != len(self.index):
            _log.warning("%s and the catalog do not agree: they are compared", self._link.name)
            self._comparison = compared_pages(self._reader, self._model, self._rows.held, MOST)

    def _compare_page(self) -> int:
        """Put right what does not agree on the next page; return how many photos it held."""
        page = next(self._comparison, None)
        if page is None:
            return 0
        self._take_pages(sorted({*page.missing, *page.surplus}))
        return page.count

    def _behind(self) -> int:
        mark = self._mark
        _, head = self._reader.journal.span()
        changes = max(0, head - self._applied) if self._applied or mark else 0
        if mark is not None and mark.is_filling:
            changes += max(0, len(self.index) - self._held)
        return changes

    def _still_behind(self) -> IndexAwayError:
        behind = f"{self._behind():,} changes behind"
        return IndexAwayError(f"{self._link.name} is still {behind}; try again when it caught up")

    def _note_away(self, error: IndexAwayError) -> None:
        self._has_more = False
        if not self._link.is_up:
            self._mark = None  # to be asked for
        if not self._was_away and not self._link.is_closing:
            _log.warning("%s; photos are taken in, and the index catches up later", error)
        self._was_away = True
