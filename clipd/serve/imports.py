"""Photos with vectors that were made elsewhere, as a request brings them."""

from __future__ import annotations

from dataclasses import dataclass

from clipd.errors import RequestError
from clipd.json_types import JsonValue
from clipd.serve import fields
from clipd.store.vector_file import PortableFile, PortablePhoto

MOST_PHOTOS = 1000  # in one request: a tenth of a second of the indexer
_KEYS = ("model", "fingerprint", "photos")
_PHOTO_KEYS = ("hash", "vector", "width", "height", "format", "taken", "sharpness", "files")
_NEEDED = _PHOTO_KEYS[:-2]
_FILE_KEYS = ("path_b64", "size", "mtime_ns")
_MOST_FILES = 64  # of one photo
_MOST_EDGE = (1 << 31) - 1
_MOST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class ImportPage:
    """What one request brings."""

    model: str
    fingerprint: str
    photos: tuple[PortablePhoto, ...]


def read_page(body: bytes) -> ImportPage:
    """Read the body of a request; whether the vectors are any good is not looked at.

    Raises:
        RequestError: it is not what it has to be.
    """
    values = fields.parse_object(body, _KEYS)
    _insist_on(_KEYS, values, "the body")
    photos = values["photos"]
    if not isinstance(photos, list) or len(photos) > MOST_PHOTOS:
        raise RequestError("bad_value", f"'photos' must be a list of {MOST_PHOTOS:,} at most")
    return ImportPage(
        fields.string_of(values["model"], "model"),
        fields.string_of(values["fingerprint"], "fingerprint"),
        tuple(_photo(photo) for photo in photos),
    )


def _photo(value: JsonValue) -> PortablePhoto:
    values = fields.as_object(value, _PHOTO_KEYS, "a photo")
    _insist_on(_NEEDED, values, "a photo")
    sharpness, files = values.get("sharpness"), values.get("files", [])
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise RequestError("bad_value", f"'files' must be a list of {_MOST_FILES} at most")
    return PortablePhoto(
        fields.base64_of(values["hash"], "hash"),
        fields.integer_of(values["width"], "width", 1, _MOST_EDGE),
        fields.integer_of(values["height"], "height", 1, _MOST_EDGE),
        fields.string_of(values["format"], "format"),
        fields.string_of(values["taken"], "taken"),
        None if sharpness is None else fields.number_of(sharpness, "sharpness", 0, 1e12),
        fields.base64_of(values["vector"], "vector"),
        tuple(_file(file) for file in files),
    )


def _file(value: JsonValue) -> PortableFile:
    values = fields.as_object(value, _FILE_KEYS, "a file")
    _insist_on(_FILE_KEYS, values, "a file")
    path = fields.path_of({"path_b64": values["path_b64"]}, exact=True)
    assert path is not None
    return PortableFile(
        path,
        fields.integer_of(values["size"], "size", 0, _MOST),
        fields.integer_of(values["mtime_ns"], "mtime_ns", -_MOST, _MOST),
    )


def _insist_on(keys: tuple[str, ...], values: dict[str, JsonValue], what: str) -> None:
    for key in keys:
        if key not in values:
            raise RequestError("bad_request", f"{what} has no '{key}'")
