"""Where a page of hits ends, as a word that asks for the next one. Pure.

A page begins behind the last hit of the one before, and not at a number: photos that arrive
meanwhile move nothing and hide nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

from clipd.errors import RequestError


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The last hit of a page.

    Attributes:
        key: what it was ordered by.
        photo: decides between equal keys; the first of a group, whatever stands for it.
        shown: hits up to here, over all pages.
        seed: of an order at random; 0 for others.
        looked: candidates that were looked at for these hits, about; groups take several each.
    """

    key: float | str
    photo: int
    shown: int
    seed: int = 0
    looked: int = 0


def page_word(end: PageEnd) -> str:
    """Write the end of a page as one opaque word, fit for an address."""
    line = json.dumps([end.key, end.photo, end.shown, end.seed, end.looked], separators=(",", ":"))
    return base64.urlsafe_b64encode(line.encode()).decode("ascii").rstrip("=")


def read_page_word(word: str) -> PageEnd:
    """Read what ``page_word`` wrote.

    Raises:
        RequestError: it is nothing that clipd has given out.
    """
    try:
        padded = word + "=" * (-len(word) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        key, photo, shown, seed, looked = values
        numbers = (photo, shown, seed, looked)
        if not isinstance(key, str | int | float) or not all(type(n) is int for n in numbers):
            raise ValueError(values)
        return PageEnd(key, photo, shown, seed, looked)
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        message = "'after' is not the 'next' of an answer; leave it out for the first page"
        raise RequestError("bad_value", message) from error
