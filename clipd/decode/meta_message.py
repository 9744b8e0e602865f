"""A photo's metadata as a decoder sends them, and the check of what was sent."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Final, get_args

from clipd.decode.plain_text import (
    CAPTION_LETTERS,
    MOST_TAGS,
    NAME_LETTERS,
    TAG_LETTERS,
    plain,
)
from clipd.errors import ChildError
from clipd.json_types import JsonObject, JsonValue
from clipd.photo import Meta, TakenFrom

_TIME: Final = re.compile(r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def meta_json(meta: Meta) -> JsonObject:
    """Return metadata as a decoder sends them."""
    return {**dataclasses.asdict(meta), "tags": list(meta.tags)}


def checked_meta(value: JsonValue) -> Meta:
    """Read what `meta_json` wrote.

    Raises:
        ChildError: it is nothing that a decoder in its right mind sends.
    """
    if not isinstance(value, dict):
        raise ChildError("a decoder sent no metadata")
    sent = _Sent(value)
    lat, lon = sent.number("lat", -90, 90), sent.number("lon", -180, 180)
    if (lat is None) != (lon is None):
        raise ChildError("a decoder sent half a position")
    return Meta(
        taken=sent.time("taken"),
        taken_from=sent.origin("taken_from"),
        utc_offset_min=sent.whole("utc_offset_min", -840, 840),
        camera=sent.text("camera", NAME_LETTERS),
        lens=sent.text("lens", NAME_LETTERS),
        focal_mm=sent.number("focal_mm", 0, 1e5),
        lat=lat,
        lon=lon,
        rating=sent.whole("rating", -1, 5),
        caption=sent.text("caption", CAPTION_LETTERS),
        tags=sent.tags("tags"),
        sharpness=sent.number("sharpness", 0, 1e6),
        has_exif=value.get("has_exif") is True,
    )


class _Sent:
    """What a decoder sent, a field at a time; each raises ChildError for what it cannot be."""

    def __init__(self, values: JsonObject) -> None:
        self._values = values

    def time(self, key: str) -> str:
        value = self._values.get(key)
        if not isinstance(value, str) or not _TIME.fullmatch(value):
            raise ChildError("a decoder sent a time that is none")
        return value

    def origin(self, key: str) -> TakenFrom:
        for origin in get_args(TakenFrom):
            if origin == self._values.get(key):
                known: TakenFrom = origin
                return known
        raise ChildError("a decoder sent an origin of a date that is none")

    def text(self, key: str, most_letters: int) -> str:
        return _text(self._values.get(key), most_letters)

    def tags(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        if not isinstance(value, list) or len(value) > MOST_TAGS:
            raise ChildError("a decoder sent tags that are none")
        return tuple(_text(tag, TAG_LETTERS) for tag in value)

    def number(self, key: str, least: float, most: float) -> float | None:
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ChildError("a decoder sent a number that is none")
        if not math.isfinite(value) or not least <= value <= most:
            raise ChildError("a decoder sent a number beyond all bounds")
        return float(value)

    def whole(self, key: str, least: int, most: int) -> int | None:
        value = self.number(key, least, most)
        if value is not None and not value.is_integer():
            raise ChildError("a decoder sent a broken number for a whole one")
        return None if value is None else int(value)


def _text(value: JsonValue, most_letters: int) -> str:
    if not isinstance(value, str) or plain(value, most_letters) != value:
        raise ChildError("a decoder sent a text that is none")
    return value
