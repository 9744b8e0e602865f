"""The journal of the catalog, taken into a collection of Milvus a page at a time.

How far it goes is a bookmark in Milvus itself, written after the data: what was written and not
marked is written once more, to the same rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from clipd.store.index_comparison import ComparedPage, compared_pages
from clipd.store.lost_vectors import LostVectors
from clipd.store.milvus_collection import MOST, Bookmark, MilvusCollection
from clipd.store.milvus_index import MilvusIndex
from clipd.store.milvus_link import MilvusLink
from clipd.store.reader import CatalogReader

_log = logging.getLogger(__name__)

_PAGE = 5000  # entries of the journal, or photos, at a time


class MilvusReplay:
    """Brings a collection up to date; the indexer's thread but for ``behind``."""

    def __init__(
        self,
        reader: CatalogReader,
        model: int,
        link: MilvusLink,
        rows: MilvusCollection,
        index: MilvusIndex,
        lost: LostVectors,
    ) -> None:
        """Make it; Milvus is not asked yet.

        Args:
            model: whose vectors belong in the index, as the catalog numbers it.
            rows: what ``index`` searches.
            lost: takes note of vectors that were damaged.
        """
        self._reader = reader
        self._model = model
        self._link = link
        self._rows = rows
        self._index = index
        self._lost = lost
        self._mark: Bookmark | None = None  # None: Milvus has to be asked (again)
        self.applied = 0  # the journal up to here was in the index when it was last asked
        self.held = 0  # photos in it, about
        self._must_rebuild = False
        self._is_counted = False  # against the catalog, once what it lacked was taken in
        self._comparison: Iterator[ComparedPage] = iter(())  # goes on where the counts disagreed

    @property
    def is_open(self) -> bool:
        """Whether Milvus has said how far it is, since it was last away."""
        return self._mark is not None

    @property
    def is_filling(self) -> bool:
        """Whether photos are still missing that were there before the journal. Any thread."""
        mark = self._mark
        return mark is not None and mark.is_filling

    def behind(self) -> int:
        """Return how many changes are to be taken in, about. Any thread."""
        mark = self._mark
        _, head = self._reader.journal.span()
        changes = max(0, head - self.applied) if self.applied or mark else 0
        if mark is not None and mark.is_filling:
            changes += max(0, len(self._index) - self.held)
        return changes

    def forget(self) -> None:
        """Take nothing for granted any more: Milvus is away."""
        self._mark = None

    def rebuild(self) -> None:
        """Have the next steps fill it anew from the catalog."""
        self._must_rebuild = True

    def open(self, start_seconds: float) -> None:
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
        self.held = self._rows.count()
        self._mark, self.applied = found, found.seq
        self._is_counted, self._comparison = False, iter(())
        self._link.admit()

    def step(self) -> int:
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
            self.held, self._must_rebuild = 0, False
        if self._mark.is_filling:
            return self._fill()
        seq, photos = self._reader.journal.after(self._mark.seq, _PAGE)
        if photos:
            self._take_page(photos)
            self._note(replace(self._mark, seq=seq))
            return len(photos)
        if not self._is_counted:
            self._count()
        return self._compare_page()

    def take(self, photos: Sequence[int]) -> None:
        """Have Milvus say of photos what the catalog says."""
        for start in range(0, len(photos), _PAGE):
            self._take_page(photos[start : start + _PAGE])

    def _fill(self) -> int:
        assert self._mark is not None
        page = self._reader.vectors.indexable(self._model, self._mark.filled, _PAGE)
        if not page.last:
            self._rows.flush()
            self._note(replace(self._mark, filled=-1))
            return 1  # the journal is next
        self._index.replace(np.empty(0, np.int64), page.ids, page.vectors)
        self._lost.take_note(page)
        self.held += len(page.ids)
        self._rows.flush_many(self.held)
        self._note(replace(self._mark, filled=page.last))
        return len(page.ids) + len(page.damaged)

    def _take_page(self, photos: Sequence[int]) -> None:
        page = self._reader.vectors.indexable_of(self._model, photos)
        self._index.replace(np.array(photos, dtype=np.int64), page.ids, page.vectors)
        self._rows.flush_many()
        self._lost.take_note(page)

    def _note(self, mark: Bookmark) -> None:
        self._rows.mark(mark)
        self._mark, self.applied = mark, mark.seq

    def _count(self) -> None:
        """Begin to compare all, where there are more or fewer than the catalog says."""
        self._is_counted = True
        self._rows.drop_others(self._reader.model_fingerprints())
        self.held = self._rows.count()
        if self.held != len(self._index):
            _log.warning("%s and the catalog do not agree: they are compared", self._link.name)
            self._comparison = compared_pages(self._reader, self._model, self._rows.held, MOST)

    def _compare_page(self) -> int:
        """Put right what does not agree on the next page; return how many photos it held."""
        page = next(self._comparison, None)
        if page is None:
            return 0
        self.take(sorted({*page.missing, *page.surplus}))
        return page.count
