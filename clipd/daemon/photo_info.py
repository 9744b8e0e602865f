"""All that clipd knows of one photo, or of one path, as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from clipd.errors import RequestError
from clipd.json_types import JsonValue
from clipd.pathtext import path_fields, shown
from clipd.store.photo_record import KnownPath, PhotoRecord, PhotoRecords
from clipd.store.rows import FailureRow
from clipd.watch.roots import Roots

_MOST_ID = (1 << 63) - 1


class PhotoInfo:
    """Tells of photos. Any thread."""

    def __init__(self, records: PhotoRecords, roots: Roots) -> None:
        self._records = records
        self._roots = roots

    def of_photo(self, photo: int) -> Mapping[str, JsonValue]:
        """Return what is known of a photo.

        Raises:
            RequestError: there is none of this id.
        """
        record = self._records.record(photo) if photo <= _MOST_ID else None
        if record is None:
            raise RequestError(
                "unknown_photo", f"there is no photo {photo}; ids come with hits", 404
            )
        return self._facts(record, None)

    def at_path(self, path: bytes) -> Mapping[str, JsonValue]:
        """Return what is known of the photo at a path, and why the file there is none.

        Raises:
            RequestError: nothing is known of the path.
        """
        photo = self._records.photo_at(path)
        record = None if photo is None else self._records.record(photo)
        failure = self._records.failure_at(path)
        if record is None and failure is None:
            raise RequestError("not_indexed", self._reason(path), 404)
        return self._facts(record, failure)

    def _reason(self, path: bytes) -> str:
        if self._roots.of(path) is None:
            return f"{shown(path)} lies in none of the watched folders; see: clipctl status"
        return (
            f"clipd knows nothing of {shown(path)}; if a photo is there, have it looked at: "
            f"clipctl rescan {shlex.quote(shown(path))}"
        )

    def _facts(
        self, record: PhotoRecord | None, failure: FailureRow | None
    ) -> Mapping[str, JsonValue]:
        facts = {} if record is None else self._photo_facts(record)
        return {
            "photo": None if record is None else record.photo,
            **facts,
            "failure": None if failure is None else _failure_facts(failure),
        }

    def _photo_facts(self, record: PhotoRecord) -> dict[str, JsonValue]:
        meta = record.meta
        return {
            "paths": [self._path_facts(path) for path in record.paths],
            "width": record.width,
            "height": record.height,
            "format": record.format,
            "content_hash": record.content_hash.hex(),
            "added": record.added_at,
            "is_read": record.is_read,
            "taken": meta.taken,
            "taken_from": meta.taken_from,
            "utc_offset_min": meta.utc_offset_min,
            "camera": meta.camera,
            "lens": meta.lens,
            "focal_mm": meta.focal_mm,
            "lat": meta.lat,
            "lon": meta.lon,
            "country": record.country,
            "region": record.region,
            "city": record.city,
            "rating": meta.rating,
            "caption": meta.caption,
            "tags": list(meta.tags),
            "sharpness": meta.sharpness,
            "has_exif": meta.has_exif,
            "models": list(record.models),
        }

    def _path_facts(self, known: KnownPath) -> JsonValue:
        place = known.located
        is_offline = known.gone_at is None and (
            place.is_aside or self._roots.is_offline(place.path, place.root, place.device)
        )
        return {
            **path_fields(place.path),
            "size_bytes": known.fingerprint.size_bytes,
            "modified": known.fingerprint.mtime_ns // 1_000_000_000,
            "offline": is_offline,
            "gone_since": known.gone_at,
        }


def _failure_facts(failure: FailureRow) -> JsonValue:
    return {
        **path_fields(failure.path),
        "kind": failure.kind,
        "reason": failure.reason,
        "since": failure.since,
        "tries": failure.tries,
        "retry_at": failure.retry_at,
    }
