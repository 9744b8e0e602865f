from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.ctl.text_width import width_of
from clipd.ctl.underline import underlined


@pytest.mark.parametrize(
    ("text", "span", "lines"),
    [
        ("cat tyep:png", (4, 9), ("cat tyep:png", "    ^^^^^")),
        ("写真 tyep:png", (3, 8), ("写真 tyep:png", "     ^^^^^")),
        ('cat "dog', (4, 8), ('cat "dog', "    ^^^^")),
        ("a\nb tyep:x", (4, 9), ("a\\nb tyep:x", "     ^^^^^")),
        ("cat", (3, 3), ("cat", "   ^")),
        ("cat", (7, 99), ("cat", "   ^")),
    ],
)
def test_the_part_is_underlined(text: str, span: tuple[int, int], lines: tuple[str, str]) -> None:
    assert underlined(text, span, 80) == lines


@given(st.text("ab 写", max_size=300), st.integers(0, 300), st.integers(0, 9))
def test_a_long_query_is_cut_around_the_part(text: str, start: int, length: int) -> None:
    line, carets = underlined(text, (start, start + length), 60)
    assert width_of(line) <= 60
    assert width_of(carets) <= 61
    part = text[start : start + length]
    if part:
        assert line[len(line) - len(line.lstrip()) :].find(part.strip()) >= 0 or not part.strip()
