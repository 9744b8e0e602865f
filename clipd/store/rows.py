"""The rows of the catalog as values, and how they are written in SQL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from clipd.photo import FailureKind, Fingerprint, ModelSpec

# The columns of a fingerprint, in the order of its fields.
FINGERPRINT = "size_bytes, mtime_ns, ctime_ns, inode, device, born_ns"

# The time of change of a file that is to be read again: no file has it, so that every look at
# the file finds that it has changed.
DOUBTED_NS = -1

_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1

Stored = int | bytes


@dataclass(frozen=True, slots=True)
class PathRow:
    """One path, live or a tombstone (``gone_at``, seconds since the epoch)."""

    path: bytes
    root: int
    photo: int
    fingerprint: Fingerprint
    gone_at: int | None


@dataclass(frozen=True, slots=True)
class FailureRow:
    """One file that is not among the photos, and why."""

    path: bytes
    root: int
    fingerprint: Fingerprint | None
    kind: FailureKind
    reason: str
    since: int
    world: str = ""  # what the refusal depended on besides the file: limits, codecs, extras
    tries: int = 1  # how often the file was tried in this world
    retry_at: int | None = None  # seconds since the epoch; None: only when file or world change


@dataclass(frozen=True, slots=True)
class UsedModel:
    """The model in use, as far as it is known without its weights.

    That is its name, the length of its vectors and its fingerprint.
    """

    id: int
    spec: ModelSpec
    meant: str  # its ``[model]`` table as JSON; "" where that is not known


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model that the catalog has vectors of, or had."""

    id: int
    name: str
    fingerprint: str
    photos: int  # live ones that have its vector


@dataclass(frozen=True, slots=True)
class KnownFile:
    """What the catalog knows of one name in a folder; ``kind`` is set for a failure."""

    name: bytes
    fingerprint: Fingerprint | None
    kind: FailureKind | None


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A file that is a photo, as the catalog knows it."""

    path: bytes
    fingerprint: Fingerprint
    content_hash: bytes

    @property
    def is_doubted(self) -> bool:
        """Whether it is to be read again, though it may look the same."""
        return self.fingerprint.mtime_ns == DOUBTED_NS


@dataclass(frozen=True, slots=True)
class Located:
    """One live path of a photo, and the device on which it was last seen."""

    path: bytes
    root: int
    device: int
    is_aside: bool = False  # another volume lies in the place of the one that it is on


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A file system that was seen at a folder. ``is_here``: the last one that was."""

    id: int  # 0 for one that the catalog does not know yet
    folder: bytes
    uuid: str  # "" when it is not known
    device: int
    inode: int  # of the folder
    is_here: bool = True


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A known file, to be compared with what lies at its path."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the catalog holds."""

    photos: int  # with at least one live path
    paths: int  # live
    errors: int  # failures but for the skipped
    skipped: int
    without_vector: int  # photos that wait for their vector
    text_vectors: int


def split(path: bytes) -> tuple[bytes, bytes]:
    """Split a path into the folder and the name under which it is stored."""
    return os.path.split(path)


def folder_range(folder: bytes) -> tuple[bytes, bytes]:
    """Return the half-open range in which every folder below ``folder`` sorts."""
    start = folder if folder.endswith(b"/") else folder + b"/"
    return start, start[:-1] + b"0"  # "0" follows "/"


def aside_folder(volume: int, folder: bytes) -> bytes:
    """Return the folder under which the paths of a volume are kept while another is in its place.

    No path on a disk has a NUL, so that they are in nobody's way, nor taken for deleted.
    """
    return b"\0%d\0%s" % (volume, folder)


def plain_folder(folder: bytes) -> bytes:
    """Return a folder as it is called on disk, whether or not its paths are set aside."""
    return folder.split(b"\0", 2)[2] if is_aside(folder) else folder


def is_aside(folder: bytes) -> bool:
    """Whether a folder as stored says that its volume is not there, but another is."""
    return folder.startswith(b"\0")


def stored(number: int) -> Stored:
    """Return a number as it is kept: as it is, or as digits when 64 bits do not hold it."""
    return number if _LOWEST <= number <= _HIGHEST else b"%d" % number


def as_text(text: str) -> str:
    """Return text that SQLite takes: lone surrogates, as in names, are shown escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def fingerprint_columns(fp: Fingerprint | None) -> tuple[Stored | None, ...]:
    """Return a fingerprint as the values of the ``FINGERPRINT`` columns."""
    if fp is None:
        return (None,) * 6
    numbers = (fp.size_bytes, fp.mtime_ns, fp.ctime_ns, fp.inode, fp.device, fp.born_ns)
    return tuple(stored(number) for number in numbers)


def fingerprint_of(columns: Sequence[Any]) -> Fingerprint | None:
    """Return the fingerprint in the ``FINGERPRINT`` columns of a row; None when unknown."""
    if columns[0] is None:
        return None
    return Fingerprint(*(int(column or 0) for column in columns))


PATH_COLUMNS = f"folder, name, root_id, photo_id, gone_at, {FINGERPRINT}"
FAILURE_COLUMNS = (
    f"folder, name, root_id, kind, reason, since, world, tries, retry_at, {FINGERPRINT}"
)


def path_row(row: Sequence[Any]) -> PathRow:
    """Make a value of the ``PATH_COLUMNS``."""
    folder, name, root, photo, gone_at, *columns = row
    fingerprint = cast(Fingerprint, fingerprint_of(columns))
    return PathRow(os.path.join(folder, name), root, photo, fingerprint, gone_at)


def failure_row(row: Sequence[Any]) -> FailureRow:
    """Make a value of the ``FAILURE_COLUMNS``."""
    folder, name, root, kind, reason, since, world, tries, retry_at, *columns = row
    path = os.path.join(folder, name)
    fingerprint = fingerprint_of(columns)
    return FailureRow(path, root, fingerprint, kind, reason, since, world, tries, retry_at)
