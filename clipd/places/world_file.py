"""The file of borders and cities: named sections of numbers and text, each packed by itself.

After a line that names the format come the length of the header (4 bytes), the header in JSON, and
the sections in its order.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORLD = Path(__file__).with_name("world.bin")
_FORMAT = b"clipd places 1\n"
_TEXT = "text"
_WINDOW_BYTES = 1 << 22  # more than a section has: with that of the preset 64 MiB are set aside
_FILTERS = [
    {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": _WINDOW_BYTES,
        "lc": 4,
        "pb": 0,
    }
]

Numbers = NDArray[np.int64]
Section = Numbers | str


class WorldFile:
    """Reads sections as they are asked for."""

    def __init__(self, file: Path = WORLD) -> None:
        content = file.read_bytes()
        if not content.startswith(_FORMAT):
            raise ValueError(f"{file} is no file of places")
        at = len(_FORMAT) + 4
        length = int.from_bytes(content[at - 4 : at], "big")
        self._sections: dict[str, tuple[str, bytes]] = {}
        start = at + length
        for name, kind, size in json.loads(content[at:start]):
            self._sections[name] = (kind, content[start : start + size])
            start += size

    def text(self, name: str) -> str:
        """Return a section of text."""
        kind, packed = self._sections.pop(name)
        assert kind == _TEXT
        return _unpacked(packed).decode()

    def numbers(self, name: str) -> Numbers:
        """Return a section of whole numbers."""
        kind, packed = self._sections.pop(name)
        plain = np.frombuffer(_unpacked(packed), np.uint8)
        width = np.dtype(kind).itemsize
        # By bytes of one weight: the high ones, hardly ever used, take next to nothing.
        octets = np.ascontiguousarray(plain.reshape(width, -1).T)
        return octets.view(kind).ravel().astype(np.int64)


def write_world(file: Path, sections: Mapping[str, Section]) -> None:
    """Write a file of places."""
    header: list[list[str | int]] = []
    packed: list[bytes] = []
    for name, section in sections.items():
        kind, plain = (_TEXT, section.encode()) if isinstance(section, str) else _octets(section)
        packed.append(lzma.compress(plain, lzma.FORMAT_RAW, filters=_FILTERS))
        header.append([name, kind, len(packed[-1])])
    head = json.dumps(header, separators=(",", ":")).encode()
    file.write_bytes(b"".join((_FORMAT, len(head).to_bytes(4, "big"), head, *packed)))


def _octets(numbers: Numbers) -> tuple[str, bytes]:
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    kinds = ("u1", "<u2", "<u4", "<i8") if low >= 0 else ("i1", "<i2", "<i4", "<i8")
    kind = next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    octets = np.ascontiguousarray(numbers.astype(kind)).view(np.uint8)
    return kind, octets.reshape(-1, np.dtype(kind).itemsize).T.tobytes()


def _unpacked(packed: bytes) -> bytes:
    return lzma.decompress(packed, lzma.FORMAT_RAW, filters=_FILTERS)
