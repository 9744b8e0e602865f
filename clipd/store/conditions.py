"""What can be asked of photos and their paths besides what they show: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Measure: TypeAlias = Literal["pixels", "size_bytes", "width", "height", "rating"]
Kind: TypeAlias = Literal["screenshot", "portrait", "landscape", "square", "panorama"]
Having: TypeAlias = Literal["gps", "exif", "tags", "copies", "date"]


@dataclass(frozen=True, slots=True)
class InFolder:
    """A folder and all below it; an absolute path."""

    folder: bytes


@dataclass(frozen=True, slots=True)
class FolderNamed:
    """Any folder of a name, and all below it; in any case."""

    name: str


@dataclass(frozen=True, slots=True)
class FileNamed:
    """A part of a file's name, or a glob for the whole of it; in any case."""

    text: str
    is_glob: bool = False


@dataclass(frozen=True, slots=True)
class OfFormat:
    """A format, by Pillow's word: ``JPEG``, ``HEIF``."""

    format: str


@dataclass(frozen=True, slots=True)
class Within:
    """A number from ``low`` to ``high``; None: no bound. A strict bound is itself left out."""

    measure: Measure
    low: float | None = None
    high: float | None = None
    is_low_strict: bool = False
    is_high_strict: bool = False


@dataclass(frozen=True, slots=True)
class TakenBetween:
    """Taken from ``start`` up to ``end``, local time; None: no bound."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class TakenEveryYear:
    """Taken in a month, or on a day of it, of any year."""

    month: int
    day: int | None = None


@dataclass(frozen=True, slots=True)
class OfKind:
    """What a picture is by its shape, its name and its folder; never by what it shows."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class Has:
    """Something that is known of the photo."""

    what: Having


@dataclass(frozen=True, slots=True)
class AddedSince:
    """Known to clipd only since a moment, in seconds since the epoch."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Offline:
    """Its drive is not there now."""


@dataclass(frozen=True, slots=True)
class MadeWith:
    """A part of the name of the camera, or of its lens; in any case."""

    text: str
    is_lens: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """A keyword that another program gave it; in any case."""

    tag: str


@dataclass(frozen=True, slots=True)
class InPlace:
    """Taken in a place; what is empty may be anything. In any case.

    Attributes:
        country: its code.
    """

    country: str = ""
    region: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class Near:
    """Taken at most so far from a point; degrees."""

    latitude: float
    longitude: float
    kilometres: float


Criterion: TypeAlias = (
    InFolder
    | FolderNamed
    | FileNamed
    | OfFormat
    | Within
    | TakenBetween
    | TakenEveryYear
    | OfKind
    | Has
    | AddedSince
    | Offline
    | MadeWith
    | Tagged
    | InPlace
    | Near
)


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds where one of its criteria does; negated, where none is known to hold.

    Attributes:
        label: the condition in words, for the people who wrote it.
    """

    criteria: tuple[Criterion, ...]
    is_negated: bool = False
    label: str = ""


def needs_headers(condition: Condition) -> bool:
    """Whether only the headers of a photo's file say if it meets a condition."""
    return any(
        isinstance(each, MadeWith | Tagged | InPlace | Near)
        or (isinstance(each, Within) and each.measure == "rating")
        or (isinstance(each, Has) and each.what in ("gps", "exif", "tags"))
        for each in condition.criteria
    )


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Which files can be opened now.

    Attributes:
        online_roots: ids of the roots whose photos are there.
        away: folders of volumes that are not mounted, each with the device of its root, on which
            a file is there all the same.
        aside: ids of the volumes in whose place another lies.
    """

    online_roots: tuple[int, ...] = ()
    away: tuple[tuple[bytes, int], ...] = ()
    aside: tuple[int, ...] = ()
