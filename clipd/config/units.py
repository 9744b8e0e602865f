"""Durations and sizes as people write them: "250ms", "15m", "64MiB"."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_NUMBER_AND_UNIT = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]+)", re.ASCII)
_MOST_SECONDS = 100 * 365 * 86400.0  # more overflows the timers of the kernel and of Python

DURATION_FORM = 'a duration with its unit: "250ms", "5s", "15m", "1h" or "30d"'
SIZE_FORM = 'a size with its unit: "512KiB", "64MiB" or "2GiB"'


def parse_duration(text: str) -> float:
    """Read a duration; return seconds.

    Raises:
        ValueError: it is not one; the text says what one looks like.
    """
    seconds = _product(text, _SECONDS, DURATION_FORM)
    if seconds > _MOST_SECONDS:
        raise ValueError("a duration of at most 36500d")
    return seconds


def parse_size(text: str) -> int:
    """Read a size; return bytes.

    Raises:
        ValueError: it is not one; the text says what one looks like.
    """
    return round(_product(text, _BYTES, SIZE_FORM))


def write_duration(seconds: float) -> str:
    """Write seconds in the largest unit that leaves a whole number."""
    if seconds == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        count = seconds / _SECONDS[unit]
        if count.is_integer():
            return f"{count:.0f}{unit}"
    return f"{seconds * 1000:.10g}ms"


def write_size(size_bytes: int) -> str:
    """Write bytes in the largest unit that leaves a whole number."""
    for unit, factor in reversed(_BYTES.items()):
        if size_bytes >= factor and size_bytes % factor == 0:
            return f"{size_bytes // factor}{unit}"
    return f"{size_bytes}B"


def _product(text: str, units: dict[str, float] | dict[str, int], form: str) -> float:
    match = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if match is None or match[2] not in units:
        raise ValueError(form)
    return float(match[1]) * units[match[2]]
