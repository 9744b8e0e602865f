"""Change the text of a configuration and keep the user's comments and layout.

``configfile.parse`` judges every result: an edit that does not give what was meant is not used.
"""

from __future__ import annotations

import re

from clipd.config.render import root_section, text_literal

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


def with_root(text: str, path: str) -> str:
    """Return the text with one more root at its end."""
    return f"{text.rstrip()}\n\n{root_section(path)}".lstrip()


def with_text(text: str, table: str, key: str, value: str) -> str:
    """Return the text with a key of a table set: in its place, in its table, or at the end."""
    lines = text.splitlines()
    assignment = f"{key} = {text_literal(value)}"
    place = line_of(text, table, key)
    if place is not None:
        comment = re.search(r"""=\s*(?:"[^"]*"|'[^']*')(\s*#.*)$""", lines[place - 1])
        lines[place - 1] = assignment + (comment[1] if comment else "")
    elif (header := line_of(text, table, "")) is not None:
        _into_table(lines, header, key, assignment)
    else:
        lines += ["", f"[{table}]", assignment]
    return "\n".join(lines) + "\n"


def _into_table(lines: list[str], header: int, key: str, assignment: str) -> None:
    # A fresh configuration shows the default as "#name = ...": that is the place for the value.
    for at in range(header, len(lines)):
        if _HEADER.fullmatch(lines[at]):
            break
        if re.match(rf"#{re.escape(key)}\s*=", lines[at]):
            lines[at] = assignment
            return
    lines.insert(header, assignment)
