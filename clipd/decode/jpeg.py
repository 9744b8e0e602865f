"""Read a JPEG so that missing data are noticed.

libjpeg takes an end marker that comes too early for a small flaw, warns where nobody listens, and
fills the rest with grey: 2 KB can claim to be 14,000 x 14,000 pixels. And it takes a picture that
is all there, but for the end marker, for one that is cut short: some cameras and phones leave it
out. So here the end marker is held back from it until its rows are counted.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image

from clipd.errors import PictureError

_END: Final = b"\xff\xd9"
_END_PATTERN: Final = re.compile(_END)
_SCAN: Final = 0xDA
_FRAMES: Final = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: Huffman codes, all three
_PROGRESSIVE: Final = 0xC2
_WITHOUT_LENGTH: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_CHUNK_BYTES: Final = 1 << 20
# libjpeg looks up to 8 bytes ahead of what it needs. These are all ones, which no code may be:
# at most two blocks of the picture can be read from them.
_LOOKED_AHEAD: Final = b"\xff\x00" * 8
# A picture whose own end marker comes too early was damaged, not cut: viewers show it, and so
# much of it is enough to be found by.
_LEAST_PART: Final = 0.75
# What a row is before it is decoded: a pattern that no JPEG makes of a picture.
_UNSEEN: Final = {
    "L": b"\x00\xff\x01\xfe",
    "RGB": b"\x01\xfe\x03\xfc\x02\xfd",
    "CMYK": b"\x01\xfe\x03\xfc\xfe\x02\xfd\x04",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the data of a JPEG begin, and whether they come row by row."""

    scan_at: int
    is_in_one_scan: bool
    size: tuple[int, int]


def expect_whole(image: Image.Image, file: BinaryIO) -> None:
    """Have the next ``load`` of an opened JPEG fail when its data are missing.

    Args:
        image: opened from `file`, with its ``draft`` chosen, not loaded.
        file: the whole file; its position does not matter, and is left as it was.

    Raises:
        PictureError: there cannot be enough data for a picture of this size.
    """
    position = file.tell()
    layout = _layout(file)
    if layout is not None:
        file.seek(0, 2)
        _check_least_size(layout, file.tell())
        if layout.is_in_one_scan and image.mode in _UNSEEN:
            end = _find_end(file, layout.scan_at)
            reader = _HeldBack(image, file, end)
            image.load_read = reader.read  # type: ignore[attr-defined]
    file.seek(position)


class _HeldBack:
    """Gives the data of a JPEG to Pillow, and the end marker only when the picture is there."""

    def __init__(self, image: Image.Image, file: BinaryIO, end: int | None) -> None:
        self._image = image
        self._file = file
        self._end = end
        self._after = itertools.chain((_LOOKED_AHEAD,), iter(self._judged, None))
        self._row = _pattern(image.mode, image.width)
        unseen = Image.frombytes(image.mode, (image.width, 1), self._row)
        image.im = unseen.resize(image.size, Image.Resampling.NEAREST).im

    def read(self, most_bytes: int) -> bytes:
        """Return the next data; none when they are over and the picture is not all there."""
        if self._end is None:
            data = self._file.read(most_bytes)
        else:
            data = self._file.read(min(most_bytes, max(0, self._end - self._file.tell())))
        return data or next(self._after)

    def _judged(self) -> bytes:
        rows, height = self._rows(), self._image.height
        is_there = rows == height if self._end is None else rows >= _LEAST_PART * height
        return _END if is_there else b""

    def _rows(self) -> int:
        """Count the rows that have been decoded; they come from the top."""
        image = self._image
        seen, height = 0, image.height
        while seen < height:
            middle = (seen + height) // 2
            row = image._new(image.im).crop((0, middle, image.width, middle + 1))
            if row.tobytes() == self._row:
                height = middle
            else:
                seen = middle + 1
        return seen


def _pattern(mode: str, width: int) -> bytes:
    period = _UNSEEN[mode]
    return (period * width)[: width * len(Image.new(mode, (1, 1)).tobytes())]


def _check_least_size(layout: _Layout, file_bytes: int) -> None:
    """Refuse what cannot be a whole picture whatever it shows.

    A block of 8 x 8 takes a bit or more in the first scan of a progressive picture, and two or
    more where all is in one scan: no Huffman code is shorter than a bit.
    """
    width, height = layout.size
    blocks = -(-width // 8) * -(-height // 8)
    bits = (2 if layout.is_in_one_scan else 1) * blocks
    if bits > 8 * (file_bytes - layout.scan_at):
        raise PictureError("corrupt", "the JPEG data are cut short")


def _layout(file: BinaryIO) -> _Layout | None:
    """Read the segments up to the first scan; None for what this module knows nothing about."""
    file.seek(2)
    frame, components, size = 0, 0, (0, 0)
    while (marker := _next_marker(file)) is not None:
        at = file.tell()
        head = file.read(9).ljust(9, b"\0")
        if marker in _FRAMES:
            frame, components = marker, head[7]
            size = int.from_bytes(head[5:7], "big"), int.from_bytes(head[3:5], "big")
        if marker == _SCAN:
            if not frame:
                return None
            return _Layout(at, frame != _PROGRESSIVE and head[2] == components, size)
        file.seek(at + max(2, int.from_bytes(head[:2], "big")))
    return None


def _next_marker(file: BinaryIO) -> int | None:
    """Return the next marker that has a segment; pass over what lies before it, like libjpeg."""
    before = b""
    while octet := file.read(1):
        if before == b"\xff" and octet not in b"\x00\xff" and octet[0] not in _WITHOUT_LENGTH:
            return None if octet == b"\xd9" else octet[0]
        before = octet
    return None


def _find_end(file: BinaryIO, start: int) -> int | None:
    """Return where the end marker is; None when there is none.

    Between the beginning of a scan and its end the two bytes mean nothing else.
    """
    file.seek(start)
    at, last = start, b""
    while chunk := file.read(_CHUNK_BYTES):
        if last == _END[:1] and chunk[:1] == _END[1:]:
            return at - 1
        found = _END_PATTERN.search(chunk)  # three times faster than find()
        if found:
            return at + found.start()
        at += len(chunk)
        last = chunk[-1:]
    return None
