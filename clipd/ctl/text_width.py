"""How much room a text takes on a terminal, and how to make it take less."""

from __future__ import annotations

import os
import sys
import unicodedata

_USUAL_COLUMNS = 80
_DOTS = "…"


def terminal_columns() -> int:
    """Return the width of the terminal that the results go to; COLUMNS overrides it."""
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdigit() and 0 < int(chosen) < 10_000:
        return int(chosen)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _USUAL_COLUMNS
    except (OSError, ValueError):
        return _USUAL_COLUMNS


def width_of(text: str) -> int:
    """Return how many columns a text takes: two for a CJK character, none for an accent."""
    return len(text) if text.isascii() else sum(map(_width, text))


def shortened(text: str, room: int) -> str:
    """Return the text, with dots in its middle where it takes more columns than there are."""
    if width_of(text) <= room:
        return text
    if room <= 1:
        return _DOTS[:room]
    # The end of a path, with the file's name, says more than its start.
    start = _start_within(text, (room - 1) // 3)
    end = _start_within(text[::-1], room - 1 - width_of(start))[::-1]
    return f"{start}{_DOTS}{end}"


def cut_off(text: str, room: int) -> str:
    """Return the text, with dots at its end where it takes more columns than there are."""
    if width_of(text) <= room:
        return text
    return _start_within(text, room - 1) + _DOTS if room > 0 else ""


def padded(text: str, room: int) -> str:
    """Return the text with spaces behind it, so that it takes that many columns."""
    return text + " " * (room - width_of(text))


def _start_within(text: str, room: int) -> str:
    taken = 0
    for at, character in enumerate(text):
        taken += _width(character)
        if taken > room:
            return text[:at]
    return text


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
