"""A line with carets under a part of it, for errors in what somebody typed."""

from __future__ import annotations

from clipd.ctl.text_width import width_of
from clipd.pathtext import one_line

_DOTS = "..."


def underlined(text: str, span: tuple[int, int], room: int) -> tuple[str, str]:
    """Return the text on a line, and a line that underlines a part of it.

    Args:
        span: the first character of the part, and the one behind the last.
        room: columns; what lies far before and behind the part is left out where it takes more.
    """
    start, end = max(0, min(span[0], len(text))), max(0, min(span[1], len(text)))
    before, part, behind = (
        one_line(piece) for piece in (text[:start], text[start:end], text[end:])
    )
    while before and width_of(before + part) > room:
        before = _DOTS + before.removeprefix(_DOTS)[10:] if len(before) > 13 else ""
    while behind and width_of(before + part + behind) > room:
        behind = behind.removesuffix(_DOTS)[:-10] + _DOTS if len(behind) > 13 else ""
    return before + part + behind, " " * width_of(before) + "^" * max(1, width_of(part))
