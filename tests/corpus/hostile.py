"""Files that are broken, lie, or mean harm."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from tests.corpus.formats import SIZE, one_of_each
from tests.corpus.pieces import Piece
from tests.corpus.png import bomb, chunk, png

SEED = 20_261_124
_FLIPPED_EACH = 12
_HUGE = 60_000  # pixels a side: 3.6 gigapixels


def hostile() -> Iterator[Piece]:
    """Make the pieces of ``hostile/``."""
    yield from _cut()
    yield from _flipped(random.Random(SEED))
    yield from _lying()
    yield from _bombs()


def _cut() -> Iterator[Piece]:
    """Cut a picture of every format where its head is whole, its data are not."""
    for format_, (ending, content) in one_of_each().items():
        for tenths in (5, 7, 9):
            yield Piece(
                path=f"hostile/cut/{tenths}-tenths.{ending}",
                content=content[: len(content) * tenths // 10],
                format=format_,
                size=SIZE,
                refusals=("corrupt",),
            )
        yield Piece(path=f"hostile/cut/head.{ending}", content=content[:24], refusals=_BROKEN)


_BROKEN = ("corrupt", "unsupported", "skipped")


def _flipped(dice: random.Random) -> Iterator[Piece]:
    """Change a few bytes of good pictures: some are read all the same, and either is right."""
    for ending, content in one_of_each().values():
        for number in range(_FLIPPED_EACH):
            damaged = bytearray(content)
            for _ in range(dice.randint(1, 8)):
                damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
            path = f"hostile/flipped/{number}.{ending}"
            yield Piece(path=path, content=bytes(damaged), refusals=("any",))


def _lying() -> Iterator[Piece]:
    """Name and content that do not belong together, or content that is none."""
    pictures = one_of_each()
    for format_, (ending, content) in pictures.items():
        wrong = "png" if ending == "jpg" else "jpg"
        path = f"hostile/lying/a {ending} called.{wrong}"
        yield Piece(path=path, content=content, format=format_, size=SIZE)
        tail = f"hostile/lying/rubbish behind.{ending}"
        yield Piece(path=tail, content=content + b"\0rubbish" * 99, format=format_, size=SIZE)
    noise = random.Random(SEED).randbytes(5000)
    for name, content, kind in (
        ("empty.jpg", b"", "empty"),
        ("zeros.jpg", bytes(4096), "corrupt"),
        ("noise.png", noise, "corrupt"),
        ("text.jpg", b"dear diary, " * 99, "corrupt"),
        ("page.jpg", b"<!DOCTYPE html><html><body>404</body></html>", "corrupt"),
        ("noise without an ending", noise, "skipped"),
        ("notes.txt", b"buy milk\n", "skipped"),
        ("film.mp4", b"\0\0\0\x20ftypisom" + noise, "skipped"),
        ("film.jpg", b"\0\0\0\x20ftypisom" + noise, "unsupported"),
    ):
        yield Piece(path=f"hostile/lying/{name}", content=content, refusals=(kind,))


def _bombs() -> Iterator[Piece]:
    """Small files that claim more pixels than anybody allows, and some that mean it."""
    pictures = {word: content for word, (_, content) in one_of_each().items()}
    short, long = struct.pack("<HH", _HUGE, _HUGE), struct.pack("<II", _HUGE, _HUGE)
    jpeg, gif, bmp = (bytearray(pictures[word]) for word in ("JPEG", "GIF", "BMP"))
    frame = jpeg.index(b"\xff\xc0")  # SOF0: marker, length, precision, height, width
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", _HUGE, _HUGE)
    gif[6:10] = short
    bmp[18:26] = long
    claims = png(_HUGE, _HUGE, 8, 2, [b"\0" * 9])
    many = b"".join(chunk(b"tEXt", b"k\0" + b"v" * 1000) for _ in range(3000))
    for name, content, refusals in (
        ("means it.png", bomb(20_000), ("too-large",)),
        ("claims it.png", claims, ("too-large",)),
        ("claims it.jpg", bytes(jpeg), ("too-large",)),
        ("claims it.gif", bytes(gif), ("too-large",)),
        ("claims it.bmp", bytes(bmp), ("too-large", "corrupt")),
        ("texts.png", pictures["PNG"][:33] + many + pictures["PNG"][33:], ("any",)),
    ):
        yield Piece(path=f"hostile/bombs/{name}", content=content, refusals=refusals)
