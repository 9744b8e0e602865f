"""Where a key stands in the text of a configuration, for messages that name the line."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(?:#.*)?")


def line_of(text: str, table: str, key: str, nth: int = 0) -> int | None:
    """Return the line number of a key, from 1; None where it is written in an unusual way.

    Args:
        text: the file's.
        table: the name of the table; "" for the top of the file.
        key: the key's name, or "" for the table's header.
        nth: which of the tables of that name, for ``[[roots]]``.
    """
    pattern = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
    inside, seen = table == "", 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        if header:
            is_ours = header[2] == table
            inside = is_ours and seen == nth
            seen += is_ours
            if inside and not key:
                return number
        elif inside and key and pattern.match(line):
            return number
    return None
