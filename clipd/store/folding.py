"""How names are compared: in no case, and however their accents are written."""

from __future__ import annotations

import unicodedata

FOLDED = "clipd_folded"  # the name under which SQLite knows ``folded``


def folded(value: object) -> str:
    """Return a name as it is compared: composed, and in no case. For SQLite as well."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return unicodedata.normalize("NFC", text).casefold()


def folded_sql(column: str, needle: str) -> str:
    """Return the SQL of a column as ``folded`` makes it; as SQLite can itself, where that will do.

    SQLite knows upper and lower case of ASCII only, a quarter as dear as a call into Python.
    """
    return f"lower(CAST({column} AS TEXT))" if needle.isascii() else f"{FOLDED}({column})"
