"""Text that a file brought along, made fit to be kept and shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

MOST_TAGS: Final = 500
TAG_LETTERS: Final = 100
NAME_LETTERS: Final = 100  # of a camera or a lens
CAPTION_LETTERS: Final = 4000
# Control characters, halves of surrogate pairs, and what turns the direction of the text around
# it: on a terminal they would do more than be shown.
_NOT_TEXT: Final = re.compile("[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
# What cameras write where a person's words should stand.
_MACHINE_MADE: Final = re.compile(r"SONY DSC|[A-Z ]*DIGITAL CAMERA|DCIM[\\/].*")
_ROOM: Final = 4  # a text is cut before it is cleaned, so that no cleaning takes long


def plain(text: str, most_letters: int) -> str:
    """Return a text on one line, without control characters, composed (NFC), not too long."""
    kept = _NOT_TEXT.sub(" ", text[: _ROOM * most_letters])
    one_line = unicodedata.normalize("NFC", " ".join(kept.split()))
    return one_line[:most_letters].rstrip()


def plain_caption(text: str) -> str:
    """Return a caption cleaned; "" for one that the camera made up."""
    caption = plain(text, CAPTION_LETTERS)
    return "" if _MACHINE_MADE.fullmatch(caption) else caption


def plain_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return keywords cleaned, in order, each once whatever its case, not too many."""
    once: dict[str, str] = {}
    for tag in tags:
        text = plain(tag, TAG_LETTERS)
        if text:
            once.setdefault(text.casefold(), text)
        if len(once) == MOST_TAGS:
            break
    return tuple(once.values())
