"""Which photos meet conditions, in as little time as SQLite can tell. Any thread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clipd.photo import Ids
from clipd.store.condition_sql import (
    is_of_photo,
    narrowed,
    tables,
    where,
    where_of_meta,
    where_of_photos,
)
from clipd.store.conditions import (
    Condition,
    InPlace,
    MadeWith,
    Near,
    TakenBetween,
    TakenEveryYear,
    Whereabouts,
    Within,
)
from clipd.store.criterion_sql import Sql
from clipd.store.read_connections import ReadConnections

_UNDATED = "SELECT photo_id FROM meta WHERE taken IS NULL OR taken = ''"
# How many photos an index by dates may find: its order is not that of the photos, so that of a
# million each takes 1.7 us, and .12 where all are looked at.
_FEW = 50_000
_META = "meta"
_META_IN_ORDER = "meta NOT INDEXED"  # by the key alone


class PhotoFilter:
    """Answers conditions from the catalog.

    What is asked of photos alone is answered without their paths, which takes half the time.
    """

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    def ids(self, conditions: Sequence[Condition], whereabouts: Whereabouts) -> Ids:
        """Return the photos of which one live path meets all conditions, in order of their ids."""
        criteria = [each for condition in conditions for each in condition.criteria]
        passing = where(conditions, whereabouts)
        if not all(map(is_of_photo, criteria)):
            return self._of_paths(narrowed(passing, conditions))
        is_complete = self._all_have_meta()
        if not any(isinstance(each, TakenBetween | TakenEveryYear) for each in criteria):
            passing = where_of_photos(conditions)
            return self._of_photos(passing, _META if is_complete else "")
        if not is_complete:
            return self._of_paths(passing)
        # What tells no date has that of its file, and so of a path.
        undated = f"{passing.text} AND paths.photo_id IN ({_UNDATED})"
        parts = [self._dated(conditions), self._of_paths(Sql(undated, passing.values))]
        return _in_order(np.concatenate(parts))

    def _dated(self, conditions: Sequence[Condition]) -> Ids:
        """Return the photos that pass by the dates which they tell themselves."""
        passing = where_of_photos(conditions)
        # The sign keeps SQLite from finding these by the index: they are nearly all.
        dated = Sql(f"{passing.text} AND +meta.taken > ''", passing.values)
        is_led = any(map(_leads, conditions)) or any(map(self._is_short, conditions))
        return self._of_photos(dated, _META if is_led else _META_IN_ORDER)

    def _is_short(self, condition: Condition) -> bool:
        """Whether a condition asks for a time in which few photos were taken."""
        are_times = all(isinstance(each, TakenBetween) for each in condition.criteria)
        if condition.is_negated or not are_times:
            return False
        passing = where_of_photos([condition])
        _, _, times = passing.text.partition(" AND ")  # behind that the photo is live
        row = self._connections.first(
            f"SELECT count(*) FROM (SELECT 1 FROM meta WHERE {times} LIMIT ?)",
            *(*passing.values, _FEW + 1),
        )
        return row is not None and int(row[0]) <= _FEW

    def _all_have_meta(self) -> bool:
        """Whether every photo has a row in meta; such a row always has a photo."""
        row = self._connections.first(
            "SELECT (SELECT count(*) FROM photos) = (SELECT count(*) FROM meta)"
        )
        return bool(row and row[0])

    def _of_photos(self, passing: Sql, meta: str) -> Ids:
        """Return the photos that pass.

        Args:
            meta: how to read what photos say of themselves; "" where some say nothing yet.
        """
        if meta and (alone := where_of_meta(passing)):
            return self._numbers("meta.photo_id", meta, alone)
        joined = f"JOIN {meta}" if meta else "LEFT JOIN meta"
        joined = f"photos {joined} ON meta.photo_id = photos.id"
        return self._numbers("photos.id", joined if "meta." in passing.text else "photos", passing)

    def _of_paths(self, passing: Sql) -> Ids:
        return self._numbers("paths.photo_id", tables(passing.text), passing)

    def _numbers(self, column: str, source: str, passing: Sql) -> Ids:
        # One text of numbers is read four times as fast as a row for each (a million: .13 s).
        row = self._connections.first(
            f"SELECT group_concat({column}) FROM {source} WHERE {passing.text}", *passing.values
        )
        return _in_order(np.fromstring((row and row[0]) or "", dtype=np.int64, sep=","))


def _leads(condition: Condition) -> bool:
    """Whether an index leads to the photos that pass, near to the order of their ids."""
    criteria = condition.criteria
    return not condition.is_negated and all(
        isinstance(each, MadeWith | InPlace | Near)
        or (isinstance(each, Within) and each.measure == "rating")
        for each in criteria
    )


def _in_order(photos: Ids) -> Ids:
    """Sort photos and leave out what is there twice: `np.unique` takes half a second (2.3)."""
    photos.sort()
    is_new = np.ones(len(photos), np.bool_)
    is_new[1:] = photos[1:] != photos[:-1]
    return photos[is_new]
