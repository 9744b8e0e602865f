"""The date of a photo that does not say it: from its name, its folders, or its time of change.

Pure, but for the time zone of the machine, which a time of change is told in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clipd.photo import TakenFrom

_FIRST_YEAR: Final = 1826  # of the oldest photograph that is left
_MOST_FOLDERS: Final = 4  # above a file: what lies higher hardly dates it
# 2019-07-12, 2019.07.12, 2019_07_12, 20190712: the same mark twice, or none.
_DAY: Final = re.compile(r"(?<!\d)(\d{4})([-_.]?)(\d\d)\2(\d\d)")
# Behind a day: 140322 (with thousandths or without), or 14-03-22, "at 2.03.22 PM".
_CLOCK: Final = re.compile(
    r"(?:[-_. T]|[ _]at[ _])?"
    r"(?:(\d\d)(\d\d)(\d\d)(?:\d{3})?|(?<!\d)(\d{1,2})([-_.:])(\d\d)\5(\d\d))"
    r"(?!\d)(?:[ \u202f]?([AP])M)?",
    re.IGNORECASE,
)
_MONTH: Final = re.compile(r"(?<!\d)(\d{4})([-_. ])(\d\d)(?![-_.]?\d)")
_ONLY_YEAR, _TWO_DIGITS = re.compile(r"\d{4}"), re.compile(r"\d\d")
_RANKS: Final[tuple[TakenFrom, ...]] = ("name", "folder", "file")


@dataclass(frozen=True, slots=True)
class PathDate:
    """A date as a path tells it."""

    taken: str  # local time, ISO 8601 without zone
    taken_from: TakenFrom


@dataclass(frozen=True, slots=True)
class DatedPath:
    """A path, and when the file there was changed."""

    path: bytes
    mtime_ns: int


def date_of(places: Sequence[DatedPath], now: datetime) -> PathDate | None:
    """Return the date that the paths of one photo tell.

    That of a name is believed before that of a folder, and that before a time of change, which any
    copying may have set; of several of one kind the earliest.

    Args:
        places: where the photo lies.
        now: nothing was taken later than a year after.
    """
    dates = [_of_path(place, now) for place in places]
    return min(
        (date for date in dates if date is not None),
        key=lambda date: (_RANKS.index(date.taken_from), date.taken),
        default=None,
    )


def _of_path(place: DatedPath, now: datetime) -> PathDate | None:
    folder, name = os.path.split(os.fsdecode(place.path))
    changed = _local_time(place.mtime_ns)
    if found := _in_name(name, now):
        return PathDate(_refined(found, changed), "name")
    if found := _in_folders(folder, now):
        return PathDate(_refined(found, changed), "folder")
    return PathDate(changed, "file") if changed else None


def _refined(found: str, changed: str) -> str:
    """Fill up a day or a month: with the time of change where that lies in it, else its start."""
    if changed.startswith(found):
        return changed
    return found + "0001-01-01T00:00:00"[len(found) :]


def _in_name(name: str, now: datetime) -> str:
    """Return the first date in a name, with its time where it has one; "" for none."""
    for found in _DAY.finditer(name):
        day = _day(found[1], found[3], found[4], now)
        if not day:
            continue
        clock = _CLOCK.match(name, found.end())
        if clock and (time := _time(clock)):
            return f"{day}T{time}"
        if not name[found.end() : found.end() + 1].isdigit():
            return day
    return ""


def _in_folders(folder: str, now: datetime) -> str:
    """Return the day or the month that the folders around a file are called by; "" for none."""
    names = folder.split("/")[-_MOST_FOLDERS:]
    for depth in range(len(names), 0, -1):
        name = names[depth - 1]
        found = _in_name(name, now)[:10] or _month_in(name, now)
        if found := found or _nested(names[:depth], now):
            return found
    return ""


def _month_in(name: str, now: datetime) -> str:
    found = _MONTH.search(name)
    return _day(found[1], found[3], "01", now)[:7] if found else ""


def _nested(names: Sequence[str], now: datetime) -> str:
    """Return the day of folders like 2019/07/12, or the month of 2019/07."""
    digits = list(_trailing_digits(names))
    for length in (3, 2):
        if len(digits) >= length and _ONLY_YEAR.fullmatch(digits[length - 1]):
            year, month, day = (*reversed(digits[:length]), "01")[:3]
            return _day(year, month, day, now)[: 10 if length == 3 else 7]
    return ""


def _trailing_digits(names: Sequence[str]) -> Iterator[str]:
    """Yield the names from the deepest up, through those of two digits to one of four."""
    for name in reversed(names):
        if _ONLY_YEAR.fullmatch(name):
            yield name
            return
        if not _TWO_DIGITS.fullmatch(name):
            return
        yield name


def _day(year: str, month: str, day: str, now: datetime) -> str:
    try:
        moment = datetime(int(year), int(month), int(day))
    except ValueError:
        return ""
    return f"{moment:%Y-%m-%d}" if _FIRST_YEAR <= moment.year <= now.year + 1 else ""


def _time(clock: re.Match[str]) -> str:
    parts = clock.group(1, 2, 3) if clock[1] else clock.group(4, 6, 7)
    hour, minute, second = map(int, parts)
    half = (clock[8] or "").upper()
    if half:
        hour = hour % 12 + (12 if half == "P" else 0)
    is_one = hour < 24 and minute < 60 and second < 60
    return f"{hour:02}:{minute:02}:{second:02}" if is_one else ""


def _local_time(mtime_ns: int) -> str:
    """Return a time of change as the clock on the wall showed it; "" for what is none."""
    seconds = mtime_ns // 1_000_000_000
    if seconds <= 0:
        return ""  # never set
    try:
        return datetime.fromtimestamp(seconds).isoformat()
    except (OverflowError, ValueError, OSError):
        return ""
