"""Date, camera, lens and position as Exif says them."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from PIL import ExifTags, Image

from clipd.decode.plain_text import NAME_LETTERS, plain

FIRST_YEAR: Final = 1826  # of the oldest photograph that is left
_DATE: Final = re.compile(r"\s*(\d{4})\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)\D(\d\d)")
_OFFSET: Final = re.compile(r"\s*([+-])(\d\d):?(\d\d)")
_UNSET: Final = datetime(1970, 1, 1)  # what programs write that were not told the time
_MOST_OFFSET_MIN: Final = 14 * 60  # that of Kiribati
# Where a date may stand, the best first, and where its distance from UTC stands.
_DATES: Final = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.OffsetTime),
)
# Words that makers add to their name and nobody says.
_LEGAL: Final = re.compile(
    r"(?i)[,.]|\b(corporation|corp|company|co|ltd|inc|gmbh|ag|imaging|optical|electronics|"
    r"technologies|communications|digital camera)\b"
)
_MOST_FOCAL_MM: Final = 20_000.0
_MOST_STARS: Final = 5

Tags = Mapping[int, object]


@dataclass(frozen=True, slots=True)
class ExifFields:
    """What Exif says that clipd keeps."""

    taken: str = ""  # ISO 8601 without zone
    utc_offset_min: int | None = None
    camera: str = ""
    lens: str = ""
    focal_mm: float | None = None
    position: tuple[float, float] | None = None  # degrees north and east
    rating: int | None = None
    is_there: bool = False  # more than a TIFF has by being one


def read_exif(exif: Image.Exif) -> ExifFields:
    """Read what makes sense of Exif data; damage in one place costs no more than what is there."""
    main = _directory(exif)
    details = _directory(exif, ExifTags.IFD.Exif)
    taken, offset_min = _date({**main, **details})
    return ExifFields(
        taken=taken,
        utc_offset_min=offset_min,
        camera=_camera(main),
        lens=_name(details.get(ExifTags.Base.LensModel)),
        focal_mm=_between(details.get(ExifTags.Base.FocalLength), 0.1, _MOST_FOCAL_MM),
        position=_position(_directory(exif, ExifTags.IFD.GPSInfo)),
        rating=_rating(main),
        is_there=bool(details) or ExifTags.Base.Make in main or ExifTags.Base.Model in main,
    )


def iso_time(value: object) -> str:
    """Return an Exif time as ISO 8601; "" when it is not one, such as ``0000:00:00``."""
    found = _DATE.match(_text(value))
    if found is None:
        return ""
    try:
        moment = datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return ""
    return moment.isoformat() if moment.year >= FIRST_YEAR and moment != _UNSET else ""


def offset_minutes(value: object) -> int | None:
    """Return a distance from UTC, as ``+02:00`` says it, in minutes; None when it is none."""
    found = _OFFSET.match(_text(value))
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    offset = (int(hours) * 60 + int(minutes)) * (-1 if sign == "-" else 1)
    return offset if abs(offset) <= _MOST_OFFSET_MIN else None


def camera_name(make: str, model: str) -> str:
    """Return the name of a camera as people say it: "Canon EOS 80D", not "Canon Canon EOS 80D"."""
    words = _LEGAL.sub(" ", make).split()
    first = model.split(" ")[0].casefold()
    if first in (word.casefold() for word in words):
        return model
    return " ".join([*words, *model.split()])


def position_of(north: float, east: float) -> tuple[float, float] | None:
    """Return a position that may be one: on the globe, and not where every broken receiver is."""
    is_on_globe = abs(north) <= 90 and abs(east) <= 180
    if not is_on_globe or (north == 0 and east == 0):
        return None
    return round(north, 7), round(east, 7)


def _directory(exif: Image.Exif, which: int | None = None) -> dict[int, object]:
    """Return a directory's tags that can be read; damage makes Pillow raise errors of all kinds."""
    tags: dict[int, object] = {}
    with contextlib.suppress(Exception):
        found = exif if which is None else exif.get_ifd(which)
        for tag in list(found):
            with contextlib.suppress(Exception):
                tags[int(tag)] = found[tag]
    return tags


def _date(tags: Tags) -> tuple[str, int | None]:
    for date, offset in _DATES:
        taken = iso_time(tags.get(date, ""))
        if taken:
            return taken, offset_minutes(tags.get(offset, ""))
    return "", None


def _camera(tags: Tags) -> str:
    make, model = _name(tags.get(ExifTags.Base.Make)), _name(tags.get(ExifTags.Base.Model))
    return camera_name(make, model)[:NAME_LETTERS]


def _position(tags: Tags) -> tuple[float, float] | None:
    if _text(tags.get(ExifTags.GPS.GPSStatus)).startswith("V"):
        return None  # "void": the receiver had not found itself
    north = _degrees(tags.get(ExifTags.GPS.GPSLatitude), tags.get(ExifTags.GPS.GPSLatitudeRef))
    east = _degrees(tags.get(ExifTags.GPS.GPSLongitude), tags.get(ExifTags.GPS.GPSLongitudeRef))
    return None if north is None or east is None else position_of(north, east)


def _degrees(parts: object, side: object) -> float | None:
    if not isinstance(parts, tuple) or not 1 <= len(parts) <= 3:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    degrees = sum((number or 0.0) / 60.0**power for power, number in enumerate(numbers))
    return -degrees if _text(side)[:1].upper() in ("S", "W") else degrees


def _rating(tags: Tags) -> int | None:
    stars = _between(tags.get(ExifTags.Base.Rating), 0, _MOST_STARS)
    return None if stars is None else int(stars)


def _between(value: object, least: float, most: float) -> float | None:
    number = _number(value)
    return number if number is not None and least <= number <= most else None


def _number(value: object) -> float | None:
    # A fraction over nothing is what cameras write for "not known".
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        number = float(value)  # type: ignore[arg-type]
        if math.isfinite(number):
            return number
    return None


def _name(value: object) -> str:
    return plain(_text(value), NAME_LETTERS)


def _text(value: object) -> str:
    """Return a value as text up to its first NUL, where C programs end theirs."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value.partition("\0")[0] if isinstance(value, str) else ""
