"""Dates as people write them in a query, as stretches of time. Local time throughout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

DATE_FORM = "2019, 2019-07, 2019-07-12, 2019..2021, *-12-25, 30d, 6w, 2y, today or last-summer"

_CALENDAR = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)
_YEARLY = re.compile(r"\*-(\d{1,2})(?:-(\d{1,2}))?", re.ASCII)
_AGO = re.compile(r"(\d{1,5})([dwmy])", re.ASCII)
_NAMED = re.compile(r"([a-z]+)-(\d{4})", re.ASCII)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # their first months
_SEASON_MONTHS = 3
_FIRST = datetime(1, 1, 1)
_LAST = datetime.max
_LEAP_YEAR = 2000


@dataclass(frozen=True, slots=True)
class DateRange:
    """From ``start`` up to ``end``, which no longer belongs to it."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Yearly:
    """A month, or a day of it, of any year."""

    month: int
    day: int | None


Dates: TypeAlias = DateRange | Yearly


def read_dates(text: str, now: datetime) -> Dates:
    """Read what the values of ``on:``, ``after:`` and ``before:`` may be.

    Args:
        text: in one of the forms of ``DATE_FORM``, in any case.
        now: local time, without a zone.

    Raises:
        ValueError: it is none, or there is no such day; the text says so.
    """
    text = text.lower()
    start, dots, end = text.partition("..")
    try:
        if not dots:
            return _read_yearly(text) or _read_one(text, now)
        if not start and not end:
            raise ValueError(f"write a date as {DATE_FORM}")
        first = _read_one(start, now).start if start else _FIRST
        last = _read_one(end, now).end if end else _LAST
    except OverflowError as error:
        raise ValueError(f"{text} is further away than dates go") from error
    if first >= last:
        raise ValueError(f"{end} is before {start}: write the earlier date first")
    return DateRange(first, last)


def month_number(word: str) -> int | None:
    """Return 7 for ``July``; None for what is no month."""
    return _MONTHS.index(word.lower()) + 1 if word.lower() in _MONTHS else None


def _read_one(text: str, now: datetime) -> DateRange:
    found = _read_calendar(text) or _read_ago(text, now) or _read_word(text, now)
    if found is None:
        raise ValueError(f"{text} is no date; write it as {DATE_FORM}")
    return found


def _read_calendar(text: str) -> DateRange | None:
    match = _CALENDAR.fullmatch(text)
    if match is None:
        return None
    year, month, day = (None if each is None else int(each) for each in match.groups())
    assert year is not None
    try:
        if month is None:
            return DateRange(datetime(year, 1, 1), _month_later(datetime(year, 1, 1), 12))
        if day is None:
            return DateRange(datetime(year, month, 1), _month_later(datetime(year, month, 1), 1))
        return DateRange(datetime(year, month, day), datetime(year, month, day) + timedelta(1))
    except ValueError as error:
        raise ValueError(f"there is no {text} in the calendar") from error


def _read_yearly(text: str) -> Yearly | None:
    match = _YEARLY.fullmatch(text)
    if match is None:
        return None
    month, day = int(match[1]), int(match[2]) if match[2] else None
    try:
        datetime(_LEAP_YEAR, month, day or 1)
    except ValueError as error:
        raise ValueError(f"there is no {text} in the calendar") from error
    return Yearly(month, day)


def _read_ago(text: str, now: datetime) -> DateRange | None:
    """Read ``30d``: the last thirty days, the whole of the first of them included."""
    match = _AGO.fullmatch(text)
    if match is None:
        return None
    count, unit = int(match[1]), match[2]
    today = _day(now)
    if unit in "dw":
        return DateRange(today - timedelta(count * (7 if unit == "w" else 1)), _LAST)
    months = count * (12 if unit == "y" else 1)
    if months >= 12 * (now.year - 1):
        raise OverflowError
    first = _month_later(today.replace(day=1), -months)
    return DateRange(first + (min(now.day, 28) - 1) * timedelta(1), _LAST)


def _read_word(text: str, now: datetime) -> DateRange | None:
    today = _day(now)
    if text == "today":
        return DateRange(today, today + timedelta(1))
    if text == "yesterday":
        return DateRange(today - timedelta(1), today)
    if text.startswith(("last-", "this-")):
        return _read_relative(text[5:], today, is_last=text.startswith("last-"))
    match = _NAMED.fullmatch(text)
    return None if match is None else _read_named(match[1], int(match[2]))


def _read_relative(unit: str, today: datetime, *, is_last: bool) -> DateRange | None:
    if unit in _SEASONS or unit in _MONTHS:
        # The last one that is over; or the one of this year.
        years = range(today.year, today.year - 3, -1) if is_last else (today.year,)
        found = [each for year in years if (each := _read_named(unit, year)) is not None]
        return next((each for each in found if not is_last or each.end <= today), None)
    starts = {
        "week": today - timedelta(today.weekday()),
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }
    if unit not in starts:
        return None
    start = starts[unit]
    if unit == "week":
        step = timedelta(7)
        return DateRange(start - step, start) if is_last else DateRange(start, start + step)
    months = 12 if unit == "year" else 1
    if is_last:
        return DateRange(_month_later(start, -months), start)
    return DateRange(start, _month_later(start, months))


def _read_named(name: str, year: int) -> DateRange | None:
    """Read a season or a month of a year; a winter lasts into the next year."""
    month = _SEASONS.get(name) or month_number(name)
    if month is None or year < 1:
        return None
    months = _SEASON_MONTHS if name in _SEASONS else 1
    return DateRange(datetime(year, month, 1), _month_later(datetime(year, month, 1), months))


def _month_later(first: datetime, months: int) -> datetime:
    """Return the first of the month that many months later; the last moment after year 9999."""
    years, month = divmod(first.month - 1 + months, 12)
    year = first.year + years
    return _LAST if year > _LAST.year else datetime(year, month + 1, 1)


def _day(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day)
