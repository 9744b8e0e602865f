"""Numbers as people write them in a query: ``>12``, ``3..5``, ``5MB..``. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

RANGE_FORM = "12, >12, >=12, <12, <=12, 8..12, 8.. or ..12"

_COMPARED = re.compile(r"(>=|<=|>|<|=)(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?i?b?)", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY_FACTORS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


@dataclass(frozen=True, slots=True)
class NumberRange:
    """From ``low`` to ``high``; None: no bound. A strict bound is itself left out."""

    low: float | None = None
    high: float | None = None
    is_low_strict: bool = False
    is_high_strict: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether it is a single number."""
        return self.low is not None and self.low == self.high

    def holds(self, number: float) -> bool:
        """Whether a number lies in it."""
        if self.low is not None and (
            number < self.low or (self.is_low_strict and number == self.low)
        ):
            return False
        return self.high is None or not (
            number > self.high or (self.is_high_strict and number == self.high)
        )


def read_range(text: str, read: Callable[[str], float]) -> NumberRange:
    """Read a number, a comparison or a range.

    Args:
        text: in one of the forms of ``RANGE_FORM``.
        read: reads one number; raises ValueError.

    Raises:
        ValueError: it is none; the text says what one looks like.
    """
    compared = _COMPARED.fullmatch(text)
    if compared is not None:
        number = read(compared[2].strip())
        return {
            ">": NumberRange(number, None, is_low_strict=True),
            ">=": NumberRange(number, None),
            "<": NumberRange(None, number, is_high_strict=True),
            "<=": NumberRange(None, number),
            "=": NumberRange(number, number),
        }[compared[1]]
    low, dots, high = text.partition("..")
    if not dots:
        number = read(text)
        return NumberRange(number, number)
    if not low and not high:
        raise ValueError(f"write {RANGE_FORM}")
    made = NumberRange(read(low) if low else None, read(high) if high else None)
    if made.low is not None and made.high is not None and made.low > made.high:
        raise ValueError(f"{high} is less than {low}: write the smaller number first")
    return made


def read_number(text: str) -> float:
    """Read a plain number.

    Raises:
        ValueError: it is none.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text or 'nothing'} is no number; write {RANGE_FORM}")
    return float(text)


def read_size(text: str) -> float:
    """Read a size in bytes: ``300``, ``300KB``, ``5MB``, ``1.5GiB``.

    Raises:
        ValueError: it is none.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text or 'nothing'} is no size; write 300KB, 5MB or 1GiB")
    unit = match[2].lower()
    factors = _BINARY_FACTORS if "i" in unit else _FACTORS
    if unit.rstrip("b").rstrip("i") not in factors:
        raise ValueError(f"{text} is no size; write 300KB, 5MB or 1GiB")
    return float(match[1]) * factors[unit.rstrip("b").rstrip("i")]
