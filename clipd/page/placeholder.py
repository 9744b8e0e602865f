"""What stands where a photo cannot be shown: a drawn tile with the reason."""

from __future__ import annotations

import textwrap
from xml.sax.saxutils import escape

_CHARACTERS = 28  # in a line
_LINES = 7


def placeholder(reason: str) -> str:
    """Return an SVG picture, 256 pixels wide, that says why there is no photo.

    Args:
        reason: any text; a browser runs nothing of it, since it is shown as a picture.
    """
    plain = "".join(character if character.isprintable() else " " for character in reason)
    lines = textwrap.wrap(plain, _CHARACTERS, max_lines=_LINES, placeholder=" ...")
    spans = "".join(
        f'<tspan x="128" y="{110 + 20 * number - 10 * len(lines)}">{escape(line)}</tspan>'
        for number, line in enumerate(lines, start=1)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 192" width="256" height="192">'
        '<rect width="256" height="192" fill="#3a3f47"/>'
        '<text font-family="sans-serif" font-size="15" fill="#e8eaed" text-anchor="middle">'
        f"{spans}</text></svg>"
    )
