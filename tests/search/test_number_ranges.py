from __future__ import annotations

import pytest

from clipd.search.number_ranges import NumberRange, read_number, read_range, read_size


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("12", (12,), (11.99, 12.01)),
        (">12", (12.01,), (12,)),
        (">=12", (12, 13), (11.99,)),
        ("<12", (11.99, -5), (12,)),
        ("<=12", (12,), (12.01,)),
        ("=12", (12,), (13,)),
        ("8..12", (8, 10, 12), (7.99, 12.01)),
        ("8..", (8, 1e9), (7,)),
        ("..12", (12, -1), (12.5,)),
    ],
)
def test_a_range_holds_what_it_says(
    text: str, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    found = read_range(text, read_number)
    assert all(found.holds(number) for number in inside)
    assert not any(found.holds(number) for number in outside)


@pytest.mark.parametrize("text", ["", "..", "a", ">", "12..8", "1e5", "nan", "1..2..3", ">..5"])
def test_what_is_no_range_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        read_range(text, read_number)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("300", 300), ("300KB", 300_000), ("1.5MiB", 1_572_864), ("2g", 2e9), (".5mb", 500_000)],
)
def test_sizes_are_read_in_their_units(text: str, size_bytes: float) -> None:
    assert read_size(text) == size_bytes
    assert read_range(f"{text}..", read_size) == NumberRange(size_bytes)


@pytest.mark.parametrize("text", ["", "MB", "5XB", "5 5MB", "-5MB", "5i"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no size"):
        read_size(text)
