"""Paths as text: fit for JSON, for a line of output, for a terminal. Standard library only."""

from __future__ import annotations

import re

# What would break a line or its columns, drive a terminal, or reorder what a person reads:
# C0, DEL, C1, the line and paragraph separators, and the bidirectional controls.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def shown(path: bytes) -> str:
    """Return the path as text; bytes that are not UTF-8 become ``\\xff``."""
    return path.decode("utf-8", "backslashreplace")


def path_fields(path: bytes, key: str = "path") -> dict[str, str]:
    """Return the JSON fields of a path: its text and, where that is not exact, its bytes."""
    fields = {key: shown(path)}
    if not is_utf8(path):
        import base64  # here, because clipctl needs it as rarely as such a path

        fields[key + "_b64"] = base64.b64encode(path).decode("ascii")
    return fields


def is_utf8(path: bytes) -> bool:
    """Whether the text of the path is the path."""
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def one_line(text: str) -> str:
    """Escape what does not belong in a line of output: ``\\n``, ``\\x1b``, ``\\u202e``."""
    return _UNSAFE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")
