"""Writing what photos say of themselves, and finding those that have not been asked yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from clipd.photo import META_READER, Meta, TakenFrom
from clipd.store.writer import Writer

_COLUMNS = (
    *("taken", "taken_from", "utc_offset_min", "camera", "lens", "focal_mm", "lat", "lon"),
    *("rating", "caption", "sharpness", "has_exif", "country", "region", "city", "read_by"),
)
# Headers that are read again say nothing of the sharpness, which takes the pixels.
_NEW_VALUES = ", ".join(
    f"{column} = coalesce(excluded.{column}, {column})"
    if column == "sharpness"
    else f"{column} = excluded.{column}"
    for column in _COLUMNS
)
_PUT = (
    f"INSERT INTO meta (photo_id, {', '.join(_COLUMNS)})"
    f" VALUES (?{', ?' * len(_COLUMNS)}) ON CONFLICT DO UPDATE SET {_NEW_VALUES}"
)
_MOST_PATHS = 8  # of one photo that are asked for a date: there may be thousands of hard links
_OF_ITS_OWN: tuple[TakenFrom, ...] = ("exif", "xmp")


@dataclass(frozen=True, slots=True)
class UnreadPhoto:
    """A live photo whose headers are to be read, and one of its live paths."""

    photo: int
    path: bytes


class MetaWriter:
    """The tables of metadata and tags."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def put_meta(
        self, photo: int, meta: Meta, country: str = "", region: str = "", city: str = ""
    ) -> None:
        """Keep what a photo says of itself, in the place of what it said before.

        Args:
            country: code of the one where it was taken, as far as its position tells.
        """
        self._writer.write(
            _PUT,
            *(photo, meta.taken, meta.taken_from, meta.utc_offset_min),
            *(meta.camera or None, meta.lens or None, meta.focal_mm, meta.lat, meta.lon),
            *(meta.rating, meta.caption or None, meta.sharpness, meta.has_exif),
            *(country or None, region or None, city or None, META_READER),
        )
        self._put_tags(photo, meta.tags)

    def put_sharpness(self, photo: int, sharpness: float) -> None:
        """Keep how sharp a photo is whose headers are still to be read."""
        self._writer.write(
            "INSERT INTO meta (photo_id, sharpness, read_by) VALUES (?, ?, 0)"
            " ON CONFLICT DO UPDATE SET sharpness = coalesce(sharpness, excluded.sharpness)",
            *(photo, sharpness),
        )

    def date_by_path(self, photo: int, taken: str, taken_from: TakenFrom) -> None:
        """Change the date of a photo, unless the photo itself says it."""
        self._writer.write(
            "UPDATE meta SET taken = ?, taken_from = ? WHERE photo_id = ?"
            " AND taken_from NOT IN (?, ?) AND (taken, taken_from) <> (?, ?)",
            *(taken, taken_from, photo, *_OF_ITS_OWN, taken, taken_from),
        )

    def is_dated_by_path(self, photo: int) -> bool:
        """Tell whether a photo that was asked says no date itself."""
        row = self._writer.first("SELECT taken_from FROM meta WHERE photo_id = ?", photo)
        return row is not None and row[0] not in _OF_ITS_OWN

    def places_of(self, photo: int) -> list[tuple[bytes, int]]:
        """Return some live paths of a photo, each with the time of its change in nanoseconds."""
        rows = self._writer.fetch(
            "SELECT folder, name, mtime_ns FROM paths WHERE photo_id = ? AND gone_at IS NULL"
            " ORDER BY id LIMIT ?",
            *(photo, _MOST_PATHS),
        )
        return [(os.path.join(folder, name), int(mtime)) for folder, name, mtime in rows]

    def is_unread(self, photo: int) -> bool:
        """Tell whether a photo's headers are still to be read."""
        sql = "SELECT 1 FROM meta WHERE photo_id = ? AND read_by >= ?"
        return self._writer.first(sql, photo, META_READER) is None

    def has_meta(self, photo: int) -> bool:
        """Tell whether anything is kept of what a photo said."""
        return self._writer.first("SELECT 1 FROM meta WHERE photo_id = ?", photo) is not None

    def mark_read(self, photo: int) -> None:
        """Say that the headers of a photo were read, and leave what is kept of them."""
        sql = "UPDATE meta SET read_by = ? WHERE photo_id = ?"
        self._writer.write(sql, META_READER, photo)

    def have_read_again(self, photo: int) -> None:
        """Have the headers of a photo read again; until then what they said is kept."""
        self._writer.write("UPDATE meta SET read_by = 0 WHERE photo_id = ?", photo)

    def last_photo(self) -> int:
        """Return the highest id of a photo; 0 where there is none."""
        row = self._writer.first("SELECT max(id) FROM photos")
        return int(row[0] or 0) if row else 0

    def unread_photos(self, after: int, upto: int) -> list[UnreadPhoto]:
        """Return the live photos of a range of ids, ``after`` left out, that are to be read."""
        rows = self._writer.fetch(
            "SELECT photos.id, folder, name FROM photos JOIN paths ON paths.id ="
            " (SELECT min(id) FROM paths WHERE photo_id = photos.id AND gone_at IS NULL)"
            " WHERE photos.id > ? AND photos.id <= ? AND live > 0 AND NOT EXISTS"
            " (SELECT 1 FROM meta WHERE photo_id = photos.id AND read_by >= ?)"
            " ORDER BY photos.id",
            *(after, upto, META_READER),
        )
        return [UnreadPhoto(photo, os.path.join(folder, name)) for photo, folder, name in rows]

    def photos_beside(self, folder: bytes, name: bytes) -> list[int]:
        """Return the photos in a folder whose name is ``name``, with an ending or without."""
        rows = self._writer.fetch(
            "SELECT photo_id FROM paths WHERE folder = ?1 AND name = ?2 AND gone_at IS NULL"
            " UNION SELECT photo_id FROM paths"
            " WHERE folder = ?1 AND name > ?3 AND name < ?4 AND gone_at IS NULL",
            *(folder, name, name + b".", name + b"/"),  # "/" follows "."
        )
        return [photo for (photo,) in rows]

    def _put_tags(self, photo: int, tags: Sequence[str]) -> None:
        rows = self._writer.fetch("SELECT tag FROM tags WHERE photo_id = ?", photo)
        kept = {tag for (tag,) in rows}
        for tag in kept.difference(tags):
            self._writer.write("DELETE FROM tags WHERE photo_id = ? AND tag = ?", photo, tag)
        for tag in tags:
            if tag not in kept:
                self._writer.write("INSERT INTO tags VALUES (?, ?)", photo, tag)
