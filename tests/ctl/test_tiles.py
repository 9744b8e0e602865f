from __future__ import annotations

import pytest

from clipd.ctl.text_width import width_of
from clipd.ctl.tiles import reason_tile, wrapped

HOSTILE = "/photos/\x1b[31m\x1b_Ga=d\x1b\\\n写真" + "x" * 90 + ": cannot be opened: \u202etxet"


@pytest.mark.parametrize("columns", [1, 2, 5, 6, 7, 18, 50, 200])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("reason", ["", "gone", HOSTILE, "its drive is not there " * 20])
def test_a_reason_fills_its_tile_whatever_it_says(columns: int, rows: int, reason: str) -> None:
    lines = reason_tile(reason, columns, rows).lines
    assert [width_of(line) for line in lines] == [columns] * rows
    assert all(line.isprintable() for line in lines)


def test_a_reason_is_read_from_word_to_word() -> None:
    assert wrapped("its drive is not there", 9, 5) == ["its drive", "is not", "there"]
    assert wrapped("its drive is not there", 9, 2) == ["its drive", "is not t…"]
    assert wrapped("unbelievablylong word", 9, 2)[1] == "word"
