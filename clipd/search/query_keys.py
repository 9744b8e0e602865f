"""The keys that narrow a search: what each takes, and the criterion that it makes. Pure."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from clipd.errors import QueryError
from clipd.search.date_ranges import DateRange, read_dates
from clipd.search.grammar import FilterPart, KnownKeys
from clipd.search.number_ranges import NumberRange, read_number, read_range, read_size
from clipd.search.place_keys import near_criterion, place_criteria
from clipd.store.conditions import (
    AddedSince,
    Condition,
    Criterion,
    FileNamed,
    FolderNamed,
    Has,
    Having,
    InFolder,
    Kind,
    MadeWith,
    Measure,
    Offline,
    OfFormat,
    OfKind,
    Tagged,
    TakenBetween,
    TakenEveryYear,
    Within,
)
from clipd.suggest import nearest

# Formats by the words of people, as Pillow calls them.
FORMATS = {
    **{"jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "heic": "HEIF", "heif": "HEIF"},
    **{"raw": "RAW", "gif": "GIF", "webp": "WEBP", "tiff": "TIFF", "tif": "TIFF"},
    **{"avif": "AVIF", "bmp": "BMP"},
}
KINDS: tuple[Kind, ...] = ("screenshot", "portrait", "landscape", "square", "panorama")
HAVINGS: tuple[Having, ...] = ("gps", "exif", "tags", "copies")
STATES = ("offline", "copy", "dated", "new")
NEW_DAYS = 7  # for so long a photo is new
_MEGA = 1_000_000
_GLOB_SIGNS = "*?["


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a query depends on besides its text.

    Attributes:
        now: local time, without a zone.
        folder: what `.` means; None: it cannot be used.
        home: what `~` means; None: it cannot be used.
        listed: the photos of the last list, for `@3`.
    """

    now: datetime
    folder: bytes | None = None
    home: bytes | None = None
    listed: tuple[int, ...] = ()


def condition_of(part: FilterPart, around: Surroundings) -> Condition:
    """Return the condition that a filter makes.

    Raises:
        QueryError: a value is none that the key takes; it says where, and what would be right.
    """
    try:
        criteria: list[Criterion] = []
        for value in part.values:
            read = _READERS[part.key](value, around)
            criteria += read if isinstance(read, tuple) else (read,)
    except ValueError as error:
        raise QueryError(f"{part.key}: {error}", part.span) from error
    return Condition(tuple(criteria), part.is_negated, _label(part))


def absolute(value: str, around: Surroundings) -> bytes:
    """Return a path as it is meant: from the root, from `~` or from `.`.

    Raises:
        ValueError: it starts where nobody said where that is.
    """
    path = os.fsencode(value)
    first, _, below = path.partition(b"/")
    if path.startswith(b"/"):
        start, below = b"/", path[1:]
    elif first == b"~":
        if around.home is None:
            raise ValueError("~ stands for nothing here; write the path from /")
        start = around.home
    elif around.folder is None:
        raise ValueError(f"{value} is relative to no folder here; write the path from /")
    else:
        start, below = around.folder, path
    joined = os.path.normpath(os.path.join(start, below))
    return b"/" + joined.lstrip(b"/")  # POSIX lets two slashes at the start stand


def one_of(value: str, known: Mapping[str, str] | tuple[str, ...], what: str) -> str:
    """Return a word of a list, in lower case.

    Raises:
        ValueError: it is none of them.
    """
    word = value.lower()
    if word in known:
        return word
    near = nearest(word, known)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"{value} is no {what}; {advice}")


def _in(value: str, around: Surroundings) -> Criterion:
    if value in (".", "..", "~") or "/" in value:
        return InFolder(absolute(value, around))
    return FolderNamed(value)


def _name(value: str, around: Surroundings) -> Criterion:
    return FileNamed(value, any(each in value for each in _GLOB_SIGNS))


def _type(value: str, around: Surroundings) -> Criterion:
    return OfFormat(FORMATS[one_of(value.removeprefix("."), FORMATS, "type")])


def _kind(value: str, around: Surroundings) -> Criterion:
    word = one_of(value, KINDS, "kind")
    return OfKind(next(kind for kind in KINDS if kind == word))


def _has(value: str, around: Surroundings) -> Criterion:
    word = one_of(value, HAVINGS, "thing a photo can have")
    return Has(next(having for having in HAVINGS if having == word))


def _is(value: str, around: Surroundings) -> Criterion:
    word = one_of(value, STATES, "state")
    if word == "offline":
        return Offline()
    if word == "new":
        return AddedSince(int((around.now - timedelta(NEW_DAYS)).timestamp()))
    return Has("copies") if word == "copy" else Has("date")


def _on(value: str, around: Surroundings) -> Criterion:
    dates = read_dates(value, around.now)
    if isinstance(dates, DateRange):
        return TakenBetween(dates.start, dates.end)
    return TakenEveryYear(dates.month, dates.day)


def _after(value: str, around: Surroundings) -> Criterion:
    return TakenBetween(start=_range(value, around).start)


def _before(value: str, around: Surroundings) -> Criterion:
    return TakenBetween(end=_range(value, around).start)


def _range(value: str, around: Surroundings) -> DateRange:
    dates = read_dates(value, around.now)
    if not isinstance(dates, DateRange):
        raise ValueError(f"{value} comes every year; write on:{value}, or a date with its year")
    if ".." in value:
        raise ValueError(f"{value} is a stretch of time; write on:{value}, or one date")
    return dates


def _mp(value: str, around: Surroundings) -> Criterion:
    found = read_range(value, read_number)
    if found.is_exact and found.low is not None:
        # Nobody knows the pixels of a camera to the last: 12 is what is called 12.
        found = NumberRange(found.low - 0.5, found.low + 0.5, is_high_strict=True)
    scaled = NumberRange(
        None if found.low is None else found.low * _MEGA,
        None if found.high is None else found.high * _MEGA,
        found.is_low_strict,
        found.is_high_strict,
    )
    return _measured("pixels", scaled)


def _size(value: str, around: Surroundings) -> Criterion:
    found = read_range(value, read_size)
    if found.is_exact:
        raise ValueError(
            f"hardly any file has exactly {value}; write size:>{value} or size:..{value}"
        )
    return _measured("size_bytes", found)


def _width(value: str, around: Surroundings) -> Criterion:
    return _measured("width", read_range(value, read_number))


def _height(value: str, around: Surroundings) -> Criterion:
    return _measured("height", read_range(value, read_number))


def _camera(value: str, around: Surroundings) -> Criterion:
    return MadeWith(value)


def _lens(value: str, around: Surroundings) -> Criterion:
    return MadeWith(value, is_lens=True)


def _tag(value: str, around: Surroundings) -> Criterion:
    return Tagged(value)


def _rating(value: str, around: Surroundings) -> Criterion:
    return _measured("rating", read_range(value, read_number))


def _place(value: str, around: Surroundings) -> tuple[Criterion, ...]:
    return place_criteria(value)


def _near(value: str, around: Surroundings) -> Criterion:
    return near_criterion(value)


def _measured(measure: Measure, found: NumberRange) -> Within:
    return Within(measure, found.low, found.high, found.is_low_strict, found.is_high_strict)


_READERS: Mapping[str, Callable[[str, Surroundings], Criterion | tuple[Criterion, ...]]] = {
    "in": _in,
    "name": _name,
    "on": _on,
    "after": _after,
    "before": _before,
    "type": _type,
    "kind": _kind,
    "mp": _mp,
    "size": _size,
    "width": _width,
    "height": _height,
    "camera": _camera,
    "lens": _lens,
    "tag": _tag,
    "rating": _rating,
    "place": _place,
    "near": _near,
    "has": _has,
    "is": _is,
}
NARROWING = tuple(_READERS)
# The keys that say what to look for, how to rank it and what to show of it.
RANKING = ("like", "unlike", "not", "score", "raw", "sort", "unique")
KEYS = KnownKeys((*NARROWING, *RANKING), weighted=("like", "unlike"))


def _label(part: FilterPart) -> str:
    values = " or ".join(part.values)
    words = {"on": "from", "in": "in", "after": "from", "before": "before"}
    label = f"{words.get(part.key, part.key)} {values}"
    return f"not {label}" if part.is_negated else label
