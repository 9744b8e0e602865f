"""Everything that the catalog knows of one photo. Any thread."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, cast

from clipd.photo import Fingerprint, Meta
from clipd.store.read_connections import ReadConnections
from clipd.store.rows import (
    FAILURE_COLUMNS,
    PATH_COLUMNS,
    FailureRow,
    Located,
    failure_row,
    fingerprint_of,
    is_aside,
    plain_folder,
    split,
)

_META = (
    "taken, taken_from, utc_offset_min, camera, lens, focal_mm, lat, lon, rating, caption,"
    " sharpness, has_exif, country, region, city"
)


@dataclass(frozen=True, slots=True)
class KnownPath:
    """A path at which a photo lies, or lay until ``gone_at`` (seconds since the epoch)."""

    located: Located
    fingerprint: Fingerprint
    gone_at: int | None


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """One photo with all that belongs to it."""

    photo: int
    content_hash: bytes
    width: int
    height: int
    format: str
    added_at: int  # seconds since the epoch
    meta: Meta
    is_read: bool  # its headers were; until then a date is all that is known
    country: str  # its code (ISO 3166), "" where the position does not tell
    region: str
    city: str
    paths: tuple[KnownPath, ...]  # live ones first
    models: tuple[str, ...]  # names of those that it has a vector of


class PhotoRecords:
    """Reads records from the catalog."""

    def __init__(self, connections: ReadConnections) -> None:
        self._connections = connections

    def record(self, photo: int) -> PhotoRecord | None:
        """Return all that is known of a photo; None when it is not known."""
        row = self._connections.first(
            "SELECT content_hash, width, height, format, added_at, taken_at, read_by,"
            f" {_META} FROM photos LEFT JOIN meta ON photo_id = photos.id WHERE photos.id = ?",
            photo,
        )
        if row is None:
            return None
        content_hash, width, height, format_, added_at, taken_at, read_by, *columns = row
        *columns, country, region, city = columns
        return PhotoRecord(
            photo,
            content_hash,
            width,
            height,
            format_,
            added_at,
            self._meta(photo, columns, taken_at),
            bool(read_by),
            country or "",
            region or "",
            city or "",
            self._paths(photo),
            self._models(photo),
        )

    def photo_at(self, path: bytes) -> int | None:
        """Return the photo that lies at a path, or lay there last."""
        sql = "SELECT photo_id FROM paths WHERE folder = ? AND name = ?"
        row = self._connections.first(sql, *split(path))
        return int(row[0]) if row else None

    def failure_at(self, path: bytes) -> FailureRow | None:
        """Return why the file at a path is not among the photos."""
        sql = f"SELECT {FAILURE_COLUMNS} FROM failures WHERE folder = ? AND name = ?"
        row = self._connections.first(sql, *split(path))
        return failure_row(row) if row else None

    def _meta(self, photo: int, columns: list[Any], taken_at: str) -> Meta:
        taken, taken_from, offset, camera, lens, focal, lat, lon, *more = columns
        rating, caption, sharpness, has_exif = more
        if not taken and taken_at:  # what clipd 0.1 read
            taken, taken_from = taken_at, "exif"
        rows = self._connections.fetch(
            "SELECT tag FROM tags WHERE photo_id = ? ORDER BY tag", photo
        )
        return Meta(
            taken=taken or "",
            taken_from=taken_from or "",
            utc_offset_min=offset,
            camera=camera or "",
            lens=lens or "",
            focal_mm=focal,
            lat=lat,
            lon=lon,
            rating=rating,
            caption=caption or "",
            tags=tuple(tag for (tag,) in rows),
            sharpness=sharpness,
            has_exif=bool(has_exif),
        )

    def _paths(self, photo: int) -> tuple[KnownPath, ...]:
        rows = self._connections.fetch(
            f"SELECT {PATH_COLUMNS} FROM paths WHERE photo_id = ?"
            " ORDER BY gone_at IS NOT NULL, folder, name",
            photo,
        )
        return tuple(_known_path(row) for row in rows)

    def _models(self, photo: int) -> tuple[str, ...]:
        sql = "SELECT name FROM vectors JOIN models ON models.id = model_id WHERE photo_id = ?"
        return tuple(sorted({name for (name,) in self._connections.fetch(sql, photo)}))


def _known_path(row: tuple[Any, ...]) -> KnownPath:
    folder, name, root, _, gone_at, *columns = row
    fingerprint = cast(Fingerprint, fingerprint_of(columns))
    path = os.path.join(plain_folder(folder), name)
    return KnownPath(
        Located(path, root, fingerprint.device, is_aside(folder)), fingerprint, gone_at
    )
