"""What is written into a file of places is read from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.places.world_file import WORLD, WorldFile, write_world


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-(1 << 40), 1 << 40)), st.text())
def test_numbers_and_text_come_back(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], text: str
) -> None:
    file = tmp_path_factory.mktemp("world") / "world.bin"
    write_world(file, {"numbers": np.array(numbers, np.int64), "text": text.replace("\ud800", "")})
    world = WorldFile(file)
    assert world.numbers("numbers").tolist() == numbers
    assert world.text("text") == text


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(ValueError, match="no file of places"):
        WorldFile(tmp_path / "other")


def test_the_file_in_the_box_is_small() -> None:
    assert WORLD.stat().st_size < 3_000_000
