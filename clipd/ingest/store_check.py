"""Whether the catalog agrees with itself and the index with the catalog, and mending both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from clipd.ingest.indexer import Store
from clipd.ingest.indexer_line import IndexerLine, pages
from clipd.store.check import Damage
from clipd.store.faults import mark_suspect
from clipd.store.pace import Pace
from clipd.store.reader import CatalogReader
from clipd.store.verify import SHOWN, Difference, DifferenceKind, sentence_of

_VECTORS_PAGE = 1000
_INDEX_PAGE = 20_000
_REBUILT = "clipctl verify --repair builds it anew from the catalog"


@dataclass(frozen=True, slots=True)
class StoreFindings:
    """What catalog and index disagree about, with themselves and with each other."""

    damage: Damage = field(default_factory=Damage)
    base: str = ""  # what is wrong with the file of the index
    lacking: tuple[int, ...] = ()  # in the index
    surplus: tuple[int, ...] = ()  # in the index


class StoreCheck:
    """For the thread of a check; what writes is called into the indexer's inbox."""

    def __init__(
        self, store: Store, reader: CatalogReader, indexer: IndexerLine, pace: Pace
    ) -> None:
        """Make a check.

        Args:
            store: its catalog only for what the indexer's thread does on the check's behalf.
        """
        self._catalog = store.catalog
        self._follower = store.follower
        self._reader = reader
        self._indexer = indexer
        self._pace = pace

    def find(self) -> StoreFindings:
        """Look through the catalog, then compare it with the index."""
        damage = self._reader.damage(self._pace)
        base = self._follower.base_problem(self._pace)
        missing, surplus = self._follower.differences(self._pace)
        if not missing and not surplus:
            return StoreFindings(damage, base)
        # Photos that came or went while the pages were compared are sorted out here.
        suspects = {*missing, *surplus}
        lacking, surplus = self._indexer.do(lambda: self._follower.confirmed(suspects), self._pace)
        return StoreFindings(damage, base, tuple(lacking), tuple(surplus))

    def describe(self, found: StoreFindings) -> list[Difference]:
        """Return what was found, by kind."""
        damage = found.damage
        advice = "clipctl verify --repair has clipd set it aside and rebuild it"
        differences = [Difference("damaged", 1, f"{one}; {advice}") for one in damage.broken]
        differences += [Difference("damaged", 1, sentence) for sentence in damage.indexes]
        differences += [Difference("count", 1, sentence) for sentence in damage.tallies]
        if damage.dangling:
            count = len(damage.dangling)
            differences.append(Difference("dangling", count, sentence_of("dangling", count)))
        differences += self._of_photos("count", damage.miscounted)
        differences += self._of_photos("vector", [photo for photo, _ in damage.vectors])
        if found.base:
            differences.append(Difference("index-damaged", 1, f"{found.base}; {_REBUILT}"))
        differences += self._of_photos("index-lacks", found.lacking)
        differences += self._of_photos("index-holds", found.surplus)
        return differences

    def mend(self, found: StoreFindings) -> None:
        """Put right what was found.

        Vectors are dropped, and their photos encoded again by and by. A file that is not whole
        cannot be mended while it is in use: clipd opens it anew, which looks at every page of it.
        """
        damage = found.damage
        if damage.broken:
            mark_suspect(self._reader.file)
            return
        self._repair(replace(damage, vectors=()))
        self._pace.begin("repairing vectors", len(damage.vectors))
        for page in pages(damage.vectors, _VECTORS_PAGE):
            self._repair(Damage(vectors=tuple(page)))
            self._pace.advance(len(page))
        if found.base:
            self._indexer.do(self._follower.drop_base, self._pace)
        photos = (*found.lacking, *found.surplus)
        self._pace.begin("repairing the index", len(photos))
        for ids in pages(photos, _INDEX_PAGE):
            self._mend_index(ids)
            self._pace.advance(len(ids))

    def _of_photos(self, kind: DifferenceKind, photos: Sequence[int]) -> Iterator[Difference]:
        if photos:
            located = self._reader.locate(photos[:SHOWN])
            paths = tuple(places[0].path for places in located.values())
            yield Difference(kind, len(photos), sentence_of(kind, len(photos)), paths)

    def _repair(self, damage: Damage) -> None:
        def repair() -> list[bytes]:
            with self._catalog.writing():
                return self._catalog.repair(damage)

        if damage != Damage():
            for path in self._indexer.do(repair, self._pace):
                self._indexer.backlog.hint(path)

    def _mend_index(self, photos: Sequence[int]) -> None:
        self._indexer.do(lambda: self._follower.mend(photos), self._pace)
