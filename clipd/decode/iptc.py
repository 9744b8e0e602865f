"""Keywords and caption as IPTC-IIM, which older programs write into a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from clipd.decode.plain_text import plain_caption, plain_tags

_MARKER: Final = 0x1C
_CHARACTER_SET, _KEYWORD, _CAPTION = (1, 90), (2, 25), (2, 120)
_UTF_8: Final = b"\x1b%G"  # ISO 2022's escape to it
_LONG: Final = 0x8000  # set in a length: it is the length of the length that follows


@dataclass(frozen=True, slots=True)
class IptcFields:
    """What IPTC says that clipd keeps."""

    caption: str = ""
    tags: tuple[str, ...] = ()


def read_iptc(content: bytes) -> IptcFields:
    """Read the datasets of an IIM block, as far as they make sense.

    Args:
        content: the block: Photoshop's resource 0x0404 in a JPEG, tag 33723 in a TIFF.
    """
    tags: list[str] = []
    caption = ""
    is_utf_8 = False
    for dataset, value in _datasets(content):
        if dataset == _CHARACTER_SET:
            is_utf_8 = value == _UTF_8
        elif dataset == _KEYWORD:
            tags.append(_decoded(value, is_utf_8=is_utf_8))
        elif dataset == _CAPTION and not caption:
            caption = plain_caption(_decoded(value, is_utf_8=is_utf_8))
    return IptcFields(caption, plain_tags(tags))


def _datasets(content: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    at = 0
    while at + 5 <= len(content) and content[at] == _MARKER:
        dataset = content[at + 1], content[at + 2]
        length = int.from_bytes(content[at + 3 : at + 5], "big")
        at += 5
        if length & _LONG:
            digits = min(length & ~_LONG, 8)
            length = int.from_bytes(content[at : at + digits], "big")
            at += digits
        if length > len(content) - at:
            return
        yield dataset, content[at : at + length]
        at += length


def _decoded(value: bytes, *, is_utf_8: bool) -> str:
    # Many programs write UTF-8 without saying so; Latin text is hardly ever valid UTF-8 by chance.
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("utf-8" if is_utf_8 else "cp1252", "replace")
