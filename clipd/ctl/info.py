"""``clipctl info``."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from clipd.ctl.command_group import json_option
from clipd.ctl.completing import PhotoWord
from clipd.ctl.last_list import ListedPhoto, chosen_photos
from clipd.ctl.output import emit_json, emit_lines, objects, path_value
from clipd.ctl.whereabouts import client_of
from clipd.json_types import JsonObject, JsonValue
from clipd.pathtext import one_line

_ORIGINS = {
    "exif": "from Exif",
    "xmp": "from XMP",
    "name": "from its name",
    "folder": "from its folder",
    "file": "the time of the file",
}
_LABEL_WIDTH = 10


@click.command()
@click.argument("photos", nargs=-1, required=True, type=PhotoWord())
@json_option
def info(photos: tuple[bytes, ...], as_json: bool) -> None:
    """Tell all that clipd knows of photos, or why files are none.

    \b
      clipctl info ~/Pictures/beach.jpg
      clipctl info @3 --json

    A photo is named by its path, or by its number in the last list.
    """
    found = [known_of(one) for one in chosen_photos(photos)]
    if as_json:
        emit_json([*found])
        return
    for number, one in enumerate(found):
        emit_lines(([""] if number else []) + [one_line(line) for line in info_lines(one)])


def known_of(photo: ListedPhoto) -> JsonObject:
    """Ask the daemon that has listed a photo for all that it knows of it."""
    client = client_of(photo)
    if photo.photo is None:
        return client.get("/v1/info", path_value(photo.path))
    # Wherever it lies by now: it may have been renamed since it was listed.
    return client.get(f"/v1/photos/{photo.photo}")


def info_lines(info: JsonObject) -> Iterator[str]:
    """Yield what a person reads of an answer to ``GET /v1/info``."""
    paths = objects(info.get("paths"))
    failure = info.get("failure")
    if isinstance(failure, dict):
        yield str(failure["path"])
        yield _line("not found", f"{failure['kind']}: {failure['reason']}")
        if info.get("photo") is None:
            return
        yield _line("known as", _path_text(paths[0]) if paths else "")
    elif paths:
        yield _path_text(paths[0])
    yield from _facts(info)
    for path in paths[1:]:
        yield _line("also", _path_text(path))


def _facts(info: JsonObject) -> Iterator[str]:
    for label, text in (
        ("taken", taken_of(info)),
        ("camera", _joined(info.get("camera"), info.get("lens"), _unit(info, "focal_mm", "mm"))),
        ("place", place_of(info)),
        ("picture", _picture(info)),
        ("tags", _joined(*_words(info.get("tags")))),
        ("rating", _rating(info.get("rating"))),
        ("caption", _text(info.get("caption"))),
        ("sharpness", _number(info.get("sharpness"))),
        ("models", _joined(*_words(info.get("models")))),
        ("added", _day(info.get("added"))),
        ("content", _text(info.get("content_hash"))),
    ):
        if text:
            yield _line(label, text)
    if info.get("is_read") is False:
        yield _line("unread", "its camera, its place and its tags are not read yet")


def _line(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"


def _path_text(path: JsonObject) -> str:
    note = ""
    if path.get("offline"):
        note = " (offline)"
    elif path.get("gone_since") is not None:
        note = f" (gone since {_day(path['gone_since'])})"
    return f"{path['path']}{note}"


def taken_of(info: JsonObject) -> str:
    """Say when a photo was taken, and what says so."""
    taken = _text(info.get("taken")).replace("T", " ")
    if not taken:
        return ""
    offset = info.get("utc_offset_min")
    zone = ""
    if isinstance(offset, int):
        zone = f" {'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    origin = _ORIGINS.get(_text(info.get("taken_from")), "")
    return f"{taken}{zone}" + (f" ({origin})" if origin else "")


def place_of(info: JsonObject) -> str:
    """Say where a photo was taken."""
    names = _joined(info.get("city"), info.get("region"), info.get("country"))
    lat, lon = info.get("lat"), info.get("lon")
    if not isinstance(lat, int | float) or not isinstance(lon, int | float):
        return names
    position = f"{lat:.5f}, {lon:.5f}"
    return f"{names} ({position})" if names else position


def _picture(info: JsonObject) -> str:
    width, height = info.get("width"), info.get("height")
    if not isinstance(width, int) or not isinstance(height, int):
        return ""
    sizes = [path.get("size_bytes") for path in objects(info.get("paths"))]
    size = next((_bytes(each) for each in sizes if isinstance(each, int)), "")
    megapixels = f"{width * height / 1e6:.1f} megapixels"
    return _joined(f"{width:,} x {height:,}", megapixels, info.get("format"), size)


def _bytes(count: int) -> str:
    size, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{count:,} bytes" if unit == "bytes" else f"{size:.1f} {unit}"


def _rating(value: JsonValue) -> str:
    if not isinstance(value, int):
        return ""
    return "rejected" if value < 0 else f"{value} of 5"


def _day(value: JsonValue) -> str:
    if not isinstance(value, int):
        return ""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))


def _unit(info: JsonObject, key: str, unit: str) -> str:
    number = _number(info.get(key))
    return f"{number} {unit}" if number else ""


def _number(value: JsonValue) -> str:
    return f"{value:g}" if isinstance(value, int | float) else ""


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _words(value: JsonValue) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def _joined(*values: JsonValue) -> str:
    return ", ".join(str(value) for value in values if value)
