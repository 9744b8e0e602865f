"""Which photos meet conditions, and what a list of hits shows of them. Any thread."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from clipd.photo import Ids
from clipd.store.condition_sql import FILE_TIME, TABLES, TAKEN, where
from clipd.store.conditions import Condition, Whereabouts
from clipd.store.read_connections import ReadConnections
from clipd.store.rows import plain_folder

Order: TypeAlias = Literal["date", "-date", "name", "size"]

# What photos can be listed by, the first of each list first. Of a photo with several paths that
# pass, the first decides.
_ORDER_KEYS = {
    "date": f"max({TAKEN})",
    "-date": f"min({TAKEN})",
    "name": "min(lower(CAST(name AS TEXT)))",
    "size": "max(CAST(size_bytes AS INTEGER))",
}
_DESCENDING = ("date", "size")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a hit tells of its photo besides its paths."""

    taken: str = ""  # local time, ISO 8601
    taken_from: str = ""  # exif, xmp, name, folder or file
    place: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BurstTraits:
    """What decides whether a photo belongs with another, and which of them is the best.

    Attributes:
        folder, name: of its first path.
        taken: local time, ISO 8601; "" where only the file's own time is known, which photos
            that were copied together share.
        sharpness: None where it is not known.
    """

    photo: int
    folder: bytes
    name: bytes
    taken: str
    pixels: int
    sharpness: float | None


class PhotoSelection:
    """Answers conditions from the catalog."""

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    def aside_volumes(self) -> tuple[int, ...]:
        """Return the volumes in whose place another lies."""
        rows = self._connections.fetch("SELECT id FROM volumes WHERE NOT is_here")
        return tuple(number for (number,) in rows)

    def ids(self, conditions: Sequence[Condition], whereabouts: Whereabouts) -> Ids:
        """Return the photos of which one live path meets all conditions, in order of their ids."""
        passing = where(conditions, whereabouts)
        # One text of numbers is read four times as fast as a row for each (a million: .13 s).
        row = self._connections.first(
            f"SELECT group_concat(DISTINCT paths.photo_id) FROM {TABLES} WHERE {passing.text}",
            *passing.values,
        )
        found: Ids = np.fromstring((row and row[0]) or "", dtype=np.int64, sep=",")
        found.sort()
        return found

    def count(self, conditions: Sequence[Condition], whereabouts: Whereabouts) -> int:
        """Return how many photos pass."""
        passing = where(conditions, whereabouts)
        row = self._connections.first(
            f"SELECT count(DISTINCT paths.photo_id) FROM {TABLES} WHERE {passing.text}",
            *passing.values,
        )
        return int(row[0]) if row else 0

    def paths(
        self, conditions: Sequence[Condition], whereabouts: Whereabouts, photos: Sequence[int]
    ) -> frozenset[bytes]:
        """Return the paths of ``photos`` that meet all conditions."""
        passing = where(conditions, whereabouts)
        rows = self._connections.fetch(
            f"SELECT folder, name FROM {TABLES} WHERE {passing.text}"
            " AND paths.photo_id IN (SELECT value FROM json_each(?))",
            *(*passing.values, _list(photos)),
        )
        return frozenset(os.path.join(plain_folder(folder), name) for folder, name in rows)

    def ordered(
        self,
        conditions: Sequence[Condition],
        whereabouts: Whereabouts,
        order: Order,
        limit: int,
        behind: tuple[float | str, int] | None = None,
        among: Sequence[int] | None = None,
    ) -> list[tuple[float | str, int]]:
        """Return photos that pass, each after what it is ordered by, the first first.

        Args:
            behind: key and photo behind which the list begins.
            among: only these photos.
        """
        passing = where(conditions, whereabouts)
        values: list[object] = [*passing.values]
        sql = f"SELECT {_ORDER_KEYS[order]} AS key, paths.photo_id FROM {TABLES}"
        sql += f" WHERE {passing.text}"
        if among is not None:
            sql += " AND paths.photo_id IN (SELECT value FROM json_each(?))"
            values.append(_list(among))
        sql += " GROUP BY paths.photo_id"
        is_falling = order in _DESCENDING
        if behind is not None:
            sql += f" HAVING (key, paths.photo_id) {'<' if is_falling else '>'} (?, ?)"
            values += behind
        direction = "DESC" if is_falling else "ASC"
        sql += f" ORDER BY key {direction}, paths.photo_id {direction} LIMIT ?"
        return self._connections.fetch(sql, *values, limit)

    def traits(self, photos: Sequence[int]) -> dict[int, BurstTraits]:
        """Return what tells photos of one moment, of those that have a live path."""
        rows = self._connections.fetch(
            "SELECT paths.photo_id, min(folder || x'2f' || name), folder, name,"
            " CASE WHEN meta.taken_from = 'file' THEN '' ELSE"
            " coalesce(nullif(meta.taken, ''), photos.taken_at) END,"
            " photos.width * photos.height, meta.sharpness"
            f" FROM {TABLES} WHERE gone_at IS NULL"
            " AND paths.photo_id IN (SELECT value FROM json_each(?)) GROUP BY paths.photo_id",
            _list(photos),
        )
        return {photo: BurstTraits(photo, *row) for photo, _, *row in rows}

    def facts(self, photos: Sequence[int]) -> dict[int, Facts]:
        """Return what is known of photos that have a live path."""
        rows = self._connections.fetch(
            f"SELECT paths.photo_id, coalesce(nullif(meta.taken, ''), nullif(photos.taken_at, '')),"
            f" min({FILE_TIME}), meta.taken_from, meta.city, meta.region, meta.country"
            f" FROM {TABLES} WHERE gone_at IS NULL"
            " AND paths.photo_id IN (SELECT value FROM json_each(?)) GROUP BY paths.photo_id",
            _list(photos),
        )
        tags: dict[int, tuple[str, ...]] = {}
        for photo, tag in self._connections.fetch(
            "SELECT photo_id, tag FROM tags WHERE photo_id IN (SELECT value FROM json_each(?))"
            " ORDER BY photo_id, tag",
            _list(photos),
        ):
            tags[photo] = (*tags.get(photo, ()), tag)
        return {photo: _facts(tags.get(photo, ()), *row) for photo, *row in rows}


def _facts(
    tags: tuple[str, ...],
    taken: str | None,
    file_time: str,
    taken_from: str | None,
    city: str | None,
    region: str | None,
    country: str | None,
) -> Facts:
    names = [name for name in (city or region, country) if name]
    source = (taken_from or "exif") if taken else "file"
    return Facts(taken or file_time, source, ", ".join(names), tags)


def _list(photos: Sequence[int]) -> str:
    return json.dumps([int(photo) for photo in photos])
