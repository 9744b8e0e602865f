"""What an XMP packet, in a picture or in a file beside it, says of a photo.

XMP is XML that anybody can write, so no entity is expanded and no declaration of a document type is
read: with those a packet of a kilobyte can claim gigabytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from xml.parsers import expat

from clipd.decode.exif import FIRST_YEAR, offset_minutes, position_of
from clipd.decode.plain_text import MOST_TAGS, plain_caption, plain_tags

MOST_BYTES: Final = 4 << 20
_MOST_DEPTH: Final = 64
_MOST_LETTERS: Final = 1 << 16  # of one value
_MOST_VALUES: Final = 4 * MOST_TAGS  # of one property
_FORBIDDEN: Final = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)

# Names of properties by namespace, as they stand in `_Packet.values`.
_PREFIXES: Final = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://www.digikam.org/ns/1.0/": "digikam",
    "http://ns.microsoft.com/photo/1.0/": "microsoft",
    "http://ns.microsoft.com/photo/1.2/t/Region#": "region",
    "http://www.metadataworkinggroup.com/schemas/regions/": "regions",
    "http://www.w3.org/XML/1998/namespace": "xml",
}
_DATES: Final = (
    "exif:DateTimeOriginal",
    "photoshop:DateCreated",
    "exif:DateTimeDigitized",
    "xmp:CreateDate",
)
_DATE: Final = re.compile(
    r"\s*(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?[.\d]*(Z|[+-]\d\d:?\d\d)?)?)?)?"
)
# 43,46.2N or 43,46,12N
_COORDINATE: Final = re.compile(r"\s*(\d{1,3})(?:,(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?)?([NSEW])")
# Faces that other programs have named.
_FACES: Final = ("regions:Name", "region:PersonDisplayName")
_REJECTED, _MOST_STARS = -1, 5
_STARS_OF_PERCENT: Final = ((87, 5), (62, 4), (37, 3), (13, 2), (1, 1))


@dataclass(frozen=True, slots=True)
class XmpFields:
    """What an XMP packet says that clipd keeps."""

    taken: str = ""  # ISO 8601 without zone
    utc_offset_min: int | None = None
    position: tuple[float, float] | None = None  # degrees north and east
    rating: int | None = None  # 0 to 5 stars; -1: rejected
    caption: str = ""
    tags: tuple[str, ...] = ()  # faces that were named are among them


def read_xmp(content: bytes) -> XmpFields:
    """Read a packet, as far as it makes sense: what stands before damage counts."""
    packet = _Packet()
    packet.read(content)
    taken, offset_min = _date(packet)
    return XmpFields(
        taken=taken,
        utc_offset_min=offset_min,
        position=_position(packet),
        rating=_rating(packet),
        caption=plain_caption(packet.first("dc:description")),
        tags=_tags(packet),
    )


class _RefusedError(Exception):
    """The packet is nothing that is read on."""


@dataclass(slots=True)
class _Packet:
    """The values of the properties of a packet, in order, whichever way RDF writes them."""

    values: dict[str, list[str]] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)  # names of the elements around, "" for RDF's own
    _text: list[str] = field(default_factory=list)
    _letters: int = 0

    def read(self, content: bytes) -> None:
        """Fill in the values; stops where the packet makes no sense."""
        if len(content) > MOST_BYTES or _FORBIDDEN.search(content):
            return
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        # In an encoding that the pattern above does not see through, expat finds them.
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, _RefusedError, LookupError, ValueError):
            return

    def first(self, name: str) -> str:
        """Return the first value of a property, "" when it has none."""
        return next(iter(self.values.get(name, ())), "")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _MOST_DEPTH:
            raise _RefusedError
        self._open.append(_short(name))
        self._text.clear()
        self._letters = 0
        for attribute, value in attributes.items():
            short = _short(attribute)
            if short and not short.startswith("xml:"):
                self._add(short, value)

    def _end(self, name: str) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        self._letters = 0
        if text:
            # The text of rdf:li belongs to the property that the list is of.
            owner = next((each for each in reversed(self._open) if each), "")
            self._add(owner, text)
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._letters += len(text)
        if self._letters <= _MOST_LETTERS:
            self._text.append(text)

    def _add(self, name: str, value: str) -> None:
        kept = self.values.setdefault(name, [])
        if name and len(kept) < _MOST_VALUES:
            kept.append(value)

    def _refuse(self, *_: object) -> None:
        raise _RefusedError


def _short(name: str) -> str:
    """Return ``dc:subject`` for a name with its namespace; "" for RDF's own and unknown ones."""
    namespace, _, local = name.rpartition(" ")
    prefix = _PREFIXES.get(namespace)
    return f"{prefix}:{local}" if prefix else ""


def _date(packet: _Packet) -> tuple[str, int | None]:
    for name in _DATES:
        found = _DATE.match(packet.first(name))
        if found is None:
            continue
        year, month, day, hour, minute, second, zone = found.groups()
        parts = [int(part) if part else least for part, least in zip(
            (year, month, day, hour, minute, second), (0, 1, 1, 0, 0, 0), strict=True
        )]  # fmt: skip
        try:
            moment = datetime(*parts)  # type: ignore[arg-type]
        except ValueError:
            continue
        if moment.year >= FIRST_YEAR:
            return moment.isoformat(), 0 if zone == "Z" else offset_minutes(zone)
    return "", None


def _position(packet: _Packet) -> tuple[float, float] | None:
    north = _degrees(packet.first("exif:GPSLatitude"))
    east = _degrees(packet.first("exif:GPSLongitude"))
    return None if north is None or east is None else position_of(north, east)


def _degrees(text: str) -> float | None:
    found = _COORDINATE.match(text[:100])
    if found is None:
        return None
    degrees, minutes, seconds, side = found.groups()
    value = int(degrees) + float(minutes or 0) / 60 + float(seconds or 0) / 3600
    return -value if side in "SW" else value


def _rating(packet: _Packet) -> int | None:
    stars = _whole(packet.first("xmp:Rating"))
    if stars is not None and _REJECTED <= stars <= _MOST_STARS:
        return stars
    percent = _whole(packet.first("microsoft:Rating"))
    if percent is None:
        return None
    return next((stars for least, stars in _STARS_OF_PERCENT if least <= percent <= 100), None)


def _whole(text: str) -> int | None:
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None


def _tags(packet: _Packet) -> tuple[str, ...]:
    values = packet.values
    return plain_tags(
        [
            *values.get("dc:subject", ()),
            *(text.rpartition("|")[2] for text in values.get("lr:hierarchicalSubject", ())),
            *(text.rpartition("/")[2] for text in values.get("digikam:TagsList", ())),
            *(text for name in _FACES for text in values.get(name, ())),
        ]
    )
