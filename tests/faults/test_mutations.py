"""Good pictures of every format, damaged at random: each file is a photo or has a reason."""

from __future__ import annotations

import io
import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from clipd.pocket.scenes import draw
from tests.daemon.harness import Daemon
from tests.faults.dice import rounds
from tests.faults.oracle import assert_each_leads, catalog, disk, verify
from tests.faults.pictures import picture

pytestmark = pytest.mark.slow

_WHOLE = 5000  # damaged files
_DONE_SECONDS = 600.0
_ENDINGS: Final = ("bmp", "jpg", "jpg", "png", "png", "gif", "webp", "webp", "tif", "avif", "heic")
_STATED: Final = {"corrupt", "unsupported", "too-large", "memory", "timeout", "crash", "empty"}

Mutation = Callable[[random.Random, bytearray], None]


def _flip_bits(dice: random.Random, content: bytearray) -> None:
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def _flip_in_head(dice: random.Random, content: bytearray) -> None:
    for _ in range(dice.choice((1, 2, 4))):
        content[dice.randrange(min(len(content), 200))] = dice.randrange(256)


def _write_number(dice: random.Random, content: bytearray) -> None:
    """Put a number that is dear to parsers somewhere near the head."""
    number = dice.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    shape = dice.choice(("<H", ">H") if number <= 0xFFFF else ("<I", ">I"))
    at = dice.randrange(min(len(content) - 4, 400))
    content[at : at + struct.calcsize(shape)] = struct.pack(shape, number)


def _cut(dice: random.Random, content: bytearray) -> None:
    del content[dice.randrange(len(content)) :]


def _cut_out(dice: random.Random, content: bytearray) -> None:
    at = dice.randrange(len(content))
    del content[at : at + dice.choice((1, 2, 16, 500))]


def _double(dice: random.Random, content: bytearray) -> None:
    at = dice.randrange(len(content))
    content[at:at] = content[at : at + dice.choice((1, 4, 64, 1000))]


def _blank(dice: random.Random, content: bytearray) -> None:
    at = dice.randrange(len(content))
    size = min(dice.choice((4, 64, 512, 4096)), len(content) - at)
    content[at : at + size] = bytes([dice.choice((0, 0xFF))]) * size


def _append(dice: random.Random, content: bytearray) -> None:
    content += dice.randbytes(dice.choice((1, 100, 5000)))


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    *(_flip_bits, _flip_in_head, _write_number, _cut, _cut_out, _double, _blank, _append),
)


@pytest.fixture(scope="module")
def good() -> dict[str, list[bytes]]:
    """A few good pictures of each format that is read."""
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    formats = {"jpg": "JPEG", "tif": "TIFF", "heic": "HEIF"}
    found: dict[str, list[bytes]] = {}
    for ending in set(_ENDINGS):
        for number, mode in enumerate(("RGB", "L", "P" if ending in ("png", "gif") else "RGB")):
            scene: Image.Image = draw("beach", number, (96, 64)).convert(mode)
            written = io.BytesIO()
            scene.save(written, formats.get(ending, ending.upper()))
            found.setdefault(ending, []).append(written.getvalue())
    return found


def test_each_damaged_picture_is_a_photo_or_has_a_reason(
    daemon: Daemon, root: Path, dice: random.Random, good: dict[str, list[bytes]]
) -> None:
    count = rounds(_WHOLE)
    for number in range(count):
        ending = dice.choice(_ENDINGS)
        content = bytearray(dice.choice(good[ending]))
        for _ in range(dice.choice((1, 1, 1, 3))):
            dice.choice(_MUTATIONS)(dice, content)
            content += b"\0" * (16 - len(content))  # so that the next one finds something
        folder = root / f"{number // 500}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.{ending}").write_bytes(content)
    for number in range(20):
        (root / f"good {number}.bmp").write_bytes(picture(number))

    daemon.start()
    pid = daemon.pid
    everything = disk(root)

    def all_accounted() -> bool:
        photos, failures = catalog(daemon)
        return len(photos) + len(failures) >= len(everything)

    daemon.wait_until(all_accounted, _DONE_SECONDS, what=f"{count} files accounted for")
    daemon.wait_idle(_DONE_SECONDS)
    photos, failures = catalog(daemon)
    assert photos.keys() | failures.keys() == everything.keys()
    assert not photos.keys() & failures.keys()
    unstated = {path: kind for path, kind in failures.items() if kind not in _STATED}
    assert not unstated
    assert all(failure["reason"] for failure in daemon.errors().values())
    assert len(photos) > 20  # a bit more at the end of a file does no harm
    _assert_calm(daemon, pid)
    verify(daemon)
    good_ones = {os.fsencode(file): file.read_bytes() for file in root.glob("good*")}
    assert_each_leads(daemon, good_ones, 20)
    daemon.stop()


def _assert_calm(daemon: Daemon, pid: int) -> None:
    """Insist that no file was too much for clipd itself, nor for its log."""
    assert daemon.pid == pid
    log = daemon.log()
    assert "Traceback" not in log
    lines_about_files = len(re.findall(r"\.(bmp|jpg|png|gif|webp|tif|avif|heic)", log))
    assert lines_about_files < 50, log[-3000:]
