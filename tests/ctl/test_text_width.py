from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.ctl.text_width import padded, shortened, terminal_columns, width_of


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("sunset.jpg", 10), ("café", 4), ("cafe\u0301", 4), ("写真", 4), ("🌅.jpg", 6)],
)
def test_wide_characters_take_two_columns_and_accents_none(text: str, columns: int) -> None:
    assert width_of(text) == columns
    assert width_of(padded(text, 12)) == 12


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_shortened_text_fits(text: str, room: int) -> None:
    short = shortened(text, room)
    assert width_of(short) <= room
    assert short == text or "…" in short or not room


def test_of_a_long_path_most_of_the_end_stays() -> None:
    assert shortened("~/Pictures/2019/Italy/lake.jpg", 20) == "~/Pict…taly/lake.jpg"


@pytest.mark.parametrize(("columns", "expected"), [("132", 132), ("0", 80), ("wide", 80)])
def test_the_environment_can_set_the_width(
    monkeypatch: pytest.MonkeyPatch, columns: str, expected: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_columns() == expected
