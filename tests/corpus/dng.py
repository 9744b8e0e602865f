"""A DNG written here, with the preview of another colour than its raw data."""

from __future__ import annotations

import struct

RAW_SIZE = (64, 48)
Entry = tuple[int, int, int, bytes]  # tag, type, count, value


def shorts(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def longs(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def directory(entries: list[Entry], offset: int) -> bytes:
    """Write one TIFF directory that begins at `offset`."""
    values_at = offset + 2 + 12 * len(entries) + 4
    table, values = shorts(len(entries)), b""
    for tag, type_, count, value in sorted(entries):
        if len(value) > 4:
            value, where = longs(values_at + len(values)), value
            values += where + b"\0" * (len(where) % 2)
        table += struct.pack("<HHI", tag, type_, count) + value.ljust(4, b"\0")
    return table + longs(0) + values


def dng(preview: bytes, turned: int) -> bytes:
    """A raw picture of grey, and a JPEG preview when there is one."""
    width, height = RAW_SIZE
    raw = shorts(*([1000] * (width * height)))

    def directories(sub_at: int, preview_at: int, raw_at: int) -> tuple[bytes, bytes]:
        first: list[Entry] = [
            *((254, 4, 1, longs(1)), (256, 4, 1, longs(160)), (257, 4, 1, longs(120))),
            *((258, 3, 3, shorts(8, 8, 8)), (259, 3, 1, shorts(7)), (262, 3, 1, shorts(6))),
            *((271, 2, 6, b"Maker\0"), (272, 2, 6, b"Model\0"), (273, 4, 1, longs(preview_at))),
            *((274, 3, 1, shorts(turned)), (277, 3, 1, shorts(3)), (278, 4, 1, longs(120))),
            *((279, 4, 1, longs(len(preview))), (330, 4, 1, longs(sub_at))),
            *((50706, 1, 4, bytes([1, 4, 0, 0])), (50708, 2, 6, b"Model\0")),
            (50721, 10, 9, b"".join(struct.pack("<ii", n, 1) for n in (1, 0, 0, 0, 1, 0, 0, 0, 1))),
            *((50728, 5, 3, longs(1, 1, 1, 1, 1, 1)), (50778, 3, 1, shorts(21))),
        ]
        sub: list[Entry] = [
            *((254, 4, 1, longs(0)), (256, 4, 1, longs(width)), (257, 4, 1, longs(height))),
            *((258, 3, 1, shorts(16)), (259, 3, 1, shorts(1)), (262, 3, 1, shorts(32803))),
            *((273, 4, 1, longs(raw_at)), (277, 3, 1, shorts(1)), (278, 4, 1, longs(height))),
            *((279, 4, 1, longs(len(raw))), (33421, 3, 2, shorts(2, 2))),
            *((33422, 1, 4, bytes([0, 1, 1, 2])), (50717, 4, 1, longs(65535))),
        ]
        one = directory(first, 8)
        return one, directory(sub, 8 + len(one))

    one, two = directories(0, 0, 0)
    sub_at = 8 + len(one)
    preview_at = sub_at + len(two)
    padded = preview + b"\0" * (len(preview) % 2)
    one, two = directories(sub_at, preview_at, preview_at + len(padded))
    return b"II*\0" + longs(8) + one + two + padded + raw
