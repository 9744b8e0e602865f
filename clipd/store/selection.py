"""Which photos meet conditions, and what a list of hits shows of them. Any thread."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from clipd.photo import META_READER, Ids
from clipd.store.condition_sql import tables, where
from clipd.store.conditions import Condition, Whereabouts
from clipd.store.criterion_sql import FILE_TIME, TAKEN, values_of
from clipd.store.photo_filter import PhotoFilter
from clipd.store.read_connections import ReadConnections
from clipd.store.rows import folder_range, plain_folder

Column: TypeAlias = Literal["camera", "lens", "tag", "city", "region", "country"]
Order: TypeAlias = Literal["date", "-date", "name", "size"]

# What photos can be listed by, and whether the largest comes first.
_ORDER_KEYS = {
    "date": (TAKEN, True),
    "-date": (TAKEN, False),
    "name": ("lower(CAST(name AS TEXT))", False),
    "size": ("CAST(size_bytes AS INTEGER)", True),
}
_TRAITS = (
    "SELECT paths.photo_id, min(folder || x'2f' || name), folder, name,"
    " CASE WHEN meta.taken_from = 'file' THEN '' ELSE"
    " coalesce(nullif(meta.taken, ''), photos.taken_at) END,"
    " photos.width * photos.height, meta.sharpness"
    f" FROM {tables('photos. meta.')} WHERE gone_at IS NULL{{among}} GROUP BY paths.photo_id"
)
# A region has no index of its own, but is in that of its country.
_REGIONS = f"""
    WITH RECURSIVE next(country, region) AS (
        SELECT value, (SELECT min(region) FROM meta WHERE country = value)
        FROM ({values_of("meta", "country")})
        UNION ALL SELECT country,
            (SELECT min(region) FROM meta WHERE country = next.country AND region > next.region)
        FROM next WHERE next.region IS NOT NULL
    ) SELECT DISTINCT region FROM next WHERE region IS NOT NULL ORDER BY region
"""
_FIRST_FOLDER = (
    "SELECT folder FROM paths WHERE folder >= ? AND folder < ? AND gone_at IS NULL"
    " ORDER BY folder LIMIT 1"
)
_FOLDERS = """
    WITH RECURSIVE next(folder) AS (
        SELECT (SELECT folder FROM paths WHERE (folder = ?1 OR (folder >= ?2 AND folder < ?3))
            AND gone_at IS NULL ORDER BY folder LIMIT 1)
        UNION ALL SELECT (SELECT folder FROM paths WHERE folder > next.folder AND folder < ?3
            AND gone_at IS NULL ORDER BY folder LIMIT 1)
        FROM next WHERE next.folder IS NOT NULL
    ) SELECT folder FROM next WHERE folder IS NOT NULL LIMIT ?4
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a hit tells of its photo besides its paths."""

    taken: str = ""  # local time, ISO 8601
    taken_from: str = ""  # exif, xmp, name, folder or file
    city: str = ""  # or the region
    country: str = ""  # its code
    tags: tuple[str, ...] = ()
    content_hash: bytes = b""


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
        self._filter = PhotoFilter(connections)

    def aside_volumes(self) -> tuple[int, ...]:
        """Return the volumes in whose place another lies."""
        rows = self._connections.fetch("SELECT id FROM volumes WHERE NOT is_here")
        return tuple(number for (number,) in rows)

    def ids(self, conditions: Sequence[Condition], whereabouts: Whereabouts) -> Ids:
        """Return the photos of which one live path meets all conditions, in order of their ids."""
        return self._filter.ids(conditions, whereabouts)

    def count(self, conditions: Sequence[Condition], whereabouts: Whereabouts) -> int:
        """Return how many photos pass."""
        return len(self.ids(conditions, whereabouts))

    def paths(
        self, conditions: Sequence[Condition], whereabouts: Whereabouts, photos: Sequence[int]
    ) -> frozenset[bytes]:
        """Return the paths of ``photos`` that meet all conditions."""
        passing = where(conditions, whereabouts)
        rows = self._connections.fetch(
            f"SELECT folder, name FROM {tables(passing.text)} WHERE {passing.text}"
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
        found: list[tuple[float | str, int]] = []
        wanted = limit
        while True:
            rows = self._paths_in_order(conditions, whereabouts, order, wanted, behind, among)
            photos = dict.fromkeys(photo for _, photo, _ in rows)
            copied = {photo for _, photo, live in rows if live > 1}
            first = self._first_keys(conditions, whereabouts, order, sorted(copied))
            keys = {photo: key for key, photo, _ in reversed(rows)}
            # Of a photo with several paths, one may come behind the end of a page that showed it.
            found = [
                (keys[photo], photo)
                for photo in photos
                if photo not in first or first[photo] == keys[photo]
            ]
            if len(found) >= limit or len(rows) < wanted:
                return found[:limit]
            wanted *= 4

    def _paths_in_order(
        self,
        conditions: Sequence[Condition],
        whereabouts: Whereabouts,
        order: Order,
        limit: int,
        behind: tuple[float | str, int] | None,
        among: Sequence[int] | None,
    ) -> list[tuple[float | str, int, int]]:
        """Return key, photo and count of its paths, path by path.

        To group a million paths by their photos takes SQLite seconds, to keep the first twenty .3.
        """
        passing = where(conditions, whereabouts)
        values: list[object] = [*passing.values]
        key, is_falling = _ORDER_KEYS[order]
        sql = f"SELECT {key} AS key, paths.photo_id, photos.live FROM "
        sql += f"{tables('photos.', key, passing.text)} WHERE {passing.text}"
        if among is not None:
            sql += " AND paths.photo_id IN (SELECT value FROM json_each(?))"
            values.append(_list(among))
        if behind is not None:
            sql += f" AND (key, paths.photo_id) {'<' if is_falling else '>'} (?, ?)"
            values += behind
        direction = "DESC" if is_falling else "ASC"
        sql += f" ORDER BY key {direction}, paths.photo_id {direction} LIMIT ?"
        return self._connections.fetch(sql, *values, limit)

    def _first_keys(
        self,
        conditions: Sequence[Condition],
        whereabouts: Whereabouts,
        order: Order,
        photos: Sequence[int],
    ) -> dict[int, float | str]:
        """Return by which of its passing paths each photo is ordered: the one that comes first."""
        if not photos:
            return {}
        passing = where(conditions, whereabouts)
        key, is_falling = _ORDER_KEYS[order]
        rows = self._connections.fetch(
            f"SELECT paths.photo_id, {'max' if is_falling else 'min'}({key})"
            f" FROM {tables(key, passing.text)} WHERE {passing.text}"
            " AND paths.photo_id IN (SELECT value FROM json_each(?)) GROUP BY paths.photo_id",
            *(*passing.values, _list(photos)),
        )
        return dict(rows)

    def count_unread(self) -> int:
        """Return how many photos have not been asked yet what they say of themselves."""
        row = self._connections.first(
            "SELECT count(*) FROM photos LEFT JOIN meta ON meta.photo_id = photos.id"
            " WHERE live > 0 AND coalesce(read_by, 0) < ?",
            META_READER,
        )
        return int(row[0]) if row else 0

    def values(self, column: Column, limit: int) -> list[str]:
        """Return the different values of a column of what is known of photos, in order."""
        table = "tags" if column == "tag" else "meta"
        sql = _REGIONS if column == "region" else values_of(table, column)
        rows = self._connections.fetch(f"{sql} LIMIT ?", limit)
        return [value for (value,) in rows if value]

    def folders(self, above: bytes, limit: int) -> list[bytes]:
        """Return the folders at and below a folder that hold live paths, in order."""
        start, end = folder_range(above)
        rows = self._connections.fetch(_FOLDERS, above, start, end, limit)
        return [folder for (folder,) in rows]

    def folder_steps(self, above: bytes, begun: bytes, limit: int) -> set[bytes]:
        """Return the names, begun so, of the folders in a folder that lead to live paths."""
        start, end = folder_range(above)
        found: set[bytes] = set()
        here = start + begun
        while len(found) < limit:
            row = self._connections.first(_FIRST_FOLDER, here, end)
            if row is None or not row[0].startswith(start + begun):
                break
            step = row[0][len(start) :].partition(b"/")[0]
            found.add(step)
            # Behind the folder itself, and then behind all below it: "a-b" lies between.
            here = row[0] + b"\0" if row[0] == start + step else start + step + b"0"
        return found

    def traits(self, photos: Sequence[int]) -> dict[int, BurstTraits]:
        """Return what tells photos of one moment, of those that have a live path."""
        among = " AND paths.photo_id IN (SELECT value FROM json_each(?))"
        rows = self._connections.fetch(_TRAITS.format(among=among), _list(photos))
        return {photo: BurstTraits(photo, *row) for photo, _, *row in rows}

    def all_traits(self) -> list[BurstTraits]:
        """Return the same of all photos, by id."""
        rows = self._connections.fetch(_TRAITS.format(among=""))
        return [BurstTraits(photo, *row) for photo, _, *row in rows]

    def copied(self) -> list[int]:
        """Return the photos that lie at several paths, those at the most first."""
        rows = self._connections.fetch(
            "SELECT photo_id FROM paths WHERE gone_at IS NULL GROUP BY photo_id"
            " HAVING count(*) > 1 ORDER BY count(*) DESC, photo_id"
        )
        return [photo for (photo,) in rows]

    def facts(self, photos: Sequence[int]) -> dict[int, Facts]:
        """Return what is known of photos that have a live path."""
        rows = self._connections.fetch(
            f"SELECT paths.photo_id, coalesce(nullif(meta.taken, ''), nullif(photos.taken_at, '')),"
            f" min({FILE_TIME}), meta.taken_from, meta.city, meta.region, meta.country,"
            " photos.content_hash"
            f" FROM {tables('photos. meta.')} WHERE gone_at IS NULL"
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
    content_hash: bytes,
) -> Facts:
    source = (taken_from or "exif") if taken else "file"
    city = city or region or ""
    return Facts(taken or file_time, source, city, country or "", tags, content_hash)


def _list(photos: Sequence[int]) -> str:
    return json.dumps([int(photo) for photo in photos])
