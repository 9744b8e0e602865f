"""Countries by their borders: four square ones, one of them around a fifth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clipd.places.borders import Borders
from clipd.places.make import borders_of
from clipd.places.world_file import WorldFile, write_world

CODES = ["AA", "BB", "CC", "DD", "EE"]
COUNTRIES = {code: {"isonumeric": number + 1} for number, code in enumerate(CODES)}


def square(x: int, y: int, side: int) -> list[list[int]]:
    """Return a ring as TopoJSON has it: the first point, then steps."""
    return [[x, y], [side, 0], [0, side], [-side, 0], [0, -side]]


def atlas() -> dict[str, Any]:
    """A map of one degree a step; EE lies within DD, and AA shares a side with BB."""
    arcs = [
        [[0, 0], [0, 10], [10, 0]],  # AA: west and north ...
        [[10, 10], [0, -10]],  # ... the side that it shares with BB, from north to south ...
        [[10, 0], [-10, 0]],  # ... and south
        [[10, 0], [10, 0], [0, 10], [-10, 0]],  # BB: south, east, north
        square(30, 0, 5),  # CC
        square(50, 0, 20),  # DD
        square(55, 5, 5),  # EE, a hole in DD
        [[60, 15], [1, 1]],  # a line within DD, as around a part that is disputed
    ]
    shapes = {
        1: [[0, 1, 2]],
        2: [[3, ~1]],
        3: [[4]],
        4: [[5], [6], [7, ~7]],
        5: [[6]],
    }
    geometries = [
        {"id": f"{number:03}", "properties": {"name": "x"}, "arcs": rings}
        for number, rings in shapes.items()
    ]
    return {
        "arcs": arcs,
        "transform": {"scale": [1.0, 1.0], "translate": [-100.0, -50.0]},
        "objects": {"countries": {"geometries": geometries}},
    }


@pytest.fixture
def borders(tmp_path: Path) -> Borders:
    write_world(tmp_path / "world.bin", borders_of(atlas(), COUNTRIES, CODES))
    return Borders(WorldFile(tmp_path / "world.bin"))


@pytest.mark.parametrize(
    ("x", "y", "code"),
    [
        (5.5, 5.5, "AA"),
        (9.9, 9.9, "AA"),
        (10.1, 0.1, "BB"),
        (19.9, 9.9, "BB"),
        (30.1, 0.1, "CC"),
        (52.5, 7.5, "DD"),
        (57.5, 7.5, "EE"),
        (62.5, 7.5, "DD"),
        (60.4, 15.6, "DD"),
        (25.0, 5.0, None),
        (5.0, 10.1, None),
        (-5.0, 5.0, None),
        (5.0, -49.0, None),
        (5.0, 500.0, None),
    ],
)
def test_a_position_lies_in_the_country_around_it(
    borders: Borders, x: float, y: float, code: str | None
) -> None:
    country = borders.country_at(y - 50, x - 100)
    assert (None if country is None else CODES[country]) == code
