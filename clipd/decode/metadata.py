"""What a picture and the file beside it say of a photo, without looking at a pixel."""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image

from clipd.decode.exif import read_exif
from clipd.decode.iptc import IptcFields, read_iptc
from clipd.decode.plain_text import plain_tags
from clipd.decode.xmp import MOST_BYTES, XmpFields, read_xmp
from clipd.photo import Meta

_PHOTOSHOP_IPTC: Final = 0x0404
_TIFF_IPTC: Final = 33723
_PNG_XMP: Final = b"XML:com.adobe.xmp\0"
_MOST_CHUNKS: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Raw:
    """The pieces of metadata as they lie in a file."""

    exif: Image.Exif
    xmp: bytes = b""
    iptc: bytes = b""


def meta_of(image: Image.Image, file: BinaryIO, sidecar: bytes) -> Meta:
    """Read what an opened picture says of itself, and what the file beside it does.

    Damage in metadata is no reason to refuse a photo: what cannot be read is left out.

    Args:
        image: opened from ``file``; need not be loaded.
        sidecar: the content of the XMP file beside it, b"" for none. It says better than the
            picture itself what its tags, its rating and its caption are.
    """
    return _merged(_pieces(image, file), sidecar)


def meta_of_tiff(file: BinaryIO, sidecar: bytes) -> Meta:
    """The same for a raw picture that is built like a TIFF."""
    exif = Image.Exif()
    with contextlib.suppress(Exception):
        file.seek(0)
        exif.load_from_fp(file)
    xmp = b""
    with contextlib.suppress(Exception):
        xmp = _octets(exif.get(700))
    return _merged(_Raw(exif, xmp), sidecar)


def _merged(raw: _Raw, sidecar: bytes) -> Meta:
    exif = read_exif(raw.exif)
    inside = read_xmp(raw.xmp) if raw.xmp else XmpFields()
    beside = read_xmp(sidecar) if sidecar else XmpFields()
    iptc = read_iptc(raw.iptc) if raw.iptc else IptcFields()
    dated = next((each for each in (exif, beside, inside) if each.taken), exif)
    position = exif.position or beside.position or inside.position or (None, None)
    ratings = (beside.rating, inside.rating, exif.rating)
    return Meta(
        taken=dated.taken,
        taken_from="" if not dated.taken else "exif" if dated is exif else "xmp",
        utc_offset_min=dated.utc_offset_min,
        camera=exif.camera,
        lens=exif.lens,
        focal_mm=exif.focal_mm,
        lat=position[0],
        lon=position[1],
        rating=next((stars for stars in ratings if stars is not None), None),
        caption=beside.caption or inside.caption or iptc.caption,
        tags=beside.tags or plain_tags((*inside.tags, *iptc.tags)),
        has_exif=exif.is_there,
    )


def _pieces(image: Image.Image, file: BinaryIO) -> _Raw:
    exif, xmp, iptc = Image.Exif(), b"", b""
    with contextlib.suppress(Exception):  # damaged metadata raise errors of all kinds
        exif = image.getexif()
    with contextlib.suppress(Exception):
        xmp = _octets(image.info.get("xmp"))
    with contextlib.suppress(Exception):
        iptc = _iptc(image)
    if image.format == "PNG" and not (exif and xmp):
        with contextlib.suppress(Exception):
            late = _late_pieces(file)
            exif, xmp = exif or late.exif, xmp or late.xmp
    return _Raw(exif, xmp, iptc)


def _iptc(image: Image.Image) -> bytes:
    photoshop = image.info.get("photoshop")
    if isinstance(photoshop, dict):
        return _octets(photoshop.get(_PHOTOSHOP_IPTC))
    return _octets(getattr(image, "tag_v2", {}).get(_TIFF_IPTC))


def _octets(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, tuple):  # a TIFF may call its octets numbers of 32 bits
        return b"".join(struct.pack("<I", number) for number in value)
    return value if isinstance(value, bytes) else b""


def _late_pieces(file: BinaryIO) -> _Raw:
    """Read Exif and XMP of a PNG wherever they stand: Pillow sees what is before the pixels."""
    exif, xmp = Image.Exif(), b""
    for kind, content in _chunks(file):
        if kind == b"eXIf":
            exif.load(content)
        elif content.startswith(_PNG_XMP):
            xmp = _international_text(content)
    return _Raw(exif, xmp)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks that may hold metadata; reads nothing of the others but their head."""
    fd, at = file.fileno(), 8
    for _ in range(_MOST_CHUNKS):
        head = os.pread(fd, 8, at)
        if len(head) < 8:
            return
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in (b"eXIf", b"iTXt") and length <= MOST_BYTES:
            yield kind, os.pread(fd, length, at + 8)
        at += 12 + length


def _international_text(content: bytes) -> bytes:
    """Return the text of an iTXt chunk (PNG, 11.3.3.4): keyword, flags, two names, the text."""
    _, _, rest = content.partition(b"\0")
    is_packed, rest = rest[:1] == b"\1", rest[2:]
    _, _, rest = rest.partition(b"\0")
    _, _, text = rest.partition(b"\0")
    return zlib.decompressobj().decompress(text, MOST_BYTES) if is_packed else text
