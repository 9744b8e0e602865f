"""Dates in queries: what each form means, and what is no date."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.search.date_ranges import DateRange, Yearly, read_dates

NOW = datetime(2026, 7, 31, 13, 45, 12)  # a Friday, in a summer


def spans(text: str, now: datetime = NOW) -> tuple[str, str]:
    found = read_dates(text, now)
    assert isinstance(found, DateRange)
    return found.start.isoformat()[:10], found.end.isoformat()[:10]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2019", "2019-01-01", "2020-01-01"),
        ("2019-07", "2019-07-01", "2019-08-01"),
        ("2019-12", "2019-12-01", "2020-01-01"),
        ("2019-7-12", "2019-07-12", "2019-07-13"),
        ("2020-02-29", "2020-02-29", "2020-03-01"),
        ("2018..2019-03", "2018-01-01", "2019-04-01"),
        ("..2019", "0001-01-01", "2020-01-01"),
        ("2019..", "2019-01-01", "9999-12-31"),
        ("today", "2026-07-31", "2026-08-01"),
        ("yesterday", "2026-07-30", "2026-07-31"),
        ("30d", "2026-07-01", "9999-12-31"),
        ("6w", "2026-06-19", "9999-12-31"),
        ("5m", "2026-02-28", "9999-12-31"),
        ("2y", "2024-07-28", "9999-12-31"),
        ("summer-2019", "2019-06-01", "2019-09-01"),
        ("winter-2019", "2019-12-01", "2020-03-01"),
        ("fall-2019", "2019-09-01", "2019-12-01"),
        ("July-2019", "2019-07-01", "2019-08-01"),
        ("last-summer", "2025-06-01", "2025-09-01"),
        ("last-winter", "2025-12-01", "2026-03-01"),
        ("this-summer", "2026-06-01", "2026-09-01"),
        ("last-week", "2026-07-20", "2026-07-27"),
        ("this-week", "2026-07-27", "2026-08-03"),
        ("last-month", "2026-06-01", "2026-07-01"),
        ("this-month", "2026-07-01", "2026-08-01"),
        ("last-year", "2025-01-01", "2026-01-01"),
        ("last-december", "2025-12-01", "2026-01-01"),
        ("9999", "9999-01-01", "9999-12-31"),
    ],
)
def test_a_form_means_a_stretch_of_time(text: str, start: str, end: str) -> None:
    assert spans(text) == (start, end)


def test_a_summer_that_is_over_is_the_last_one() -> None:
    assert spans("last-summer", datetime(2026, 11, 24))[0] == "2026-06-01"


def test_a_day_of_every_year() -> None:
    assert read_dates("*-12-25", NOW) == Yearly(12, 25)
    assert read_dates("*-02-29", NOW) == Yearly(2, 29)
    assert read_dates("*-7", NOW) == Yearly(7, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2019-02-30", "no 2019-02-30 in the calendar"),
        ("0000", "no 0000"),
        ("*-13-01", "calendar"),
        ("12.07.2019", "is no date; write it as 2019, 2019-07"),
        ("2020..2019", "earlier date first"),
        ("..", "write a date as"),
        ("99999y", "further away"),
        ("99999w", "further away|is no date"),
        ("last-week-2019", "is no date"),
        ("last-", "is no date"),
        ("summer-0000", "is no date"),
        ("", "is no date"),
    ],
)
def test_what_is_no_date_is_refused_with_the_forms_there_are(text: str, words: str) -> None:
    if text == "99999w":  # 1,900 years: as far as dates go, and there
        assert spans(text)[0].startswith("01")
        return
    with pytest.raises(ValueError, match=words):
        read_dates(text, NOW)


@given(st.from_regex(r"([0-9*]{1,5}|[a-z]{0,7})(-|\.\.|)([0-9dwmy]{0,5}|summer)(-[0-9]{0,2})?"))
def test_any_text_is_a_date_or_a_sentence(text: str) -> None:
    try:
        found = read_dates(text, NOW)
    except ValueError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert isinstance(found, Yearly) or found.start < found.end
    assert not sentence or "date" in sentence or "calendar" in sentence
