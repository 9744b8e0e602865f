"""The values that travel between the parts of clipd."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:  # decoders read this file, and numpy is a good part of what they may hold
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"  # (n, dim), rows of L2 norm 1
Pixels: TypeAlias = "NDArray[np.uint8]"  # (side, side, 3) or (n, side, side, 3), upright RGB
Ids: TypeAlias = "NDArray[np.int64]"  # (n,), photo ids

# Why a file is not among the photos. The words are stable: scripts see them in `clipctl errors`.
FailureKind: TypeAlias = Literal[
    "skipped",  # not a picture by its name
    "sidecar",  # no failure: it says something of the photo beside it
    "unsupported",  # a picture, of a format that is not read
    "corrupt",  # a picture whose bytes make no sense
    "empty",  # no bytes at all
    "too-large",  # over a limit of the config
    "unreadable",  # permission, or an error of the disk
    "crash",  # killed two decoders
    "timeout",  # two decoders ran out of time
    "memory",  # did not fit in a decoder's memory, or in the machine's
    "missing",  # went away, or changed, while it was read
    "encode",  # the model made no usable vector of it
]


# Where the date of a photo was found, the best place first; "" for a date that is not known.
TakenFrom: TypeAlias = Literal["exif", "xmp", "name", "folder", "file", ""]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells one content of a file from another without reading it.

    The inode is part of it because a file can be replaced by one of the same size,
    mtime and even ctime (measured); the device because inodes are unique per device only.
    """

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    # When the inode was given to this file, 0 where that is not known: stat(2) does not tell,
    # statx(2) does. It tells a renamed file from a new one that was given a dead one's inode.
    born_ns: int = field(default=0, compare=False)

    @classmethod
    def of(cls, stat: os.stat_result) -> Fingerprint:
        """Take the fingerprint from a stat result; its time of birth stays unknown."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)


def same(
    known: Fingerprint, seen: Fingerprint, *, stable_inodes: bool = True
) -> Literal["same", "refresh", "changed"]:
    """Compare what the catalog knows of a path with what the disk says.

    Args:
        known: from the catalog.
        seen: from the disk.
        stable_inodes: whether the file system keeps inode numbers across mounts.

    Returns:
        ``same``: nothing to do. ``refresh``: the same content after a new mount; the row is
        to be updated, the file not to be read. ``changed``: read it.
    """
    if known == seen:
        return "same"
    # Device numbers are handed out at mount time, so a disk that comes back may have another.
    remounted = replace(known, device=seen.device)
    if not stable_inodes:
        # Such file systems make up inodes, and FAT keeps no change time.
        remounted = replace(remounted, inode=seen.inode, ctime_ns=seen.ctime_ns)
    return "refresh" if remounted == seen else "changed"


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a model wants its pictures: open_clip's ``PreprocessCfg`` without torch."""

    side: int
    resize: Literal["shortest", "squash", "longest"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    fill: int = 0


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model, resolved to files on this machine.

    ``fingerprint`` is a digest over architecture, weights and preprocessing: vectors of two
    models never mix, and the fingerprint is what tells them apart.
    """

    name: str  # as the user wrote it
    architecture: str  # open_clip's model name
    pretrained: str  # open_clip's tag, "" for a checkpoint
    checkpoint: str  # path of the weights file
    dim: int
    preprocess: Preprocess
    fingerprint: str


# Grows when more is read of files than before: then the headers of all photos are read again.
META_READER = 1


@dataclass(frozen=True, slots=True)
class Meta:
    """What a photo says of itself besides its pixels, in its file and in one beside it.

    What it does not say is "" or None. Texts are on one line and bounded.
    """

    taken: str = ""  # local time as written, ISO 8601 without zone
    taken_from: TakenFrom = ""
    utc_offset_min: int | None = None
    camera: str = ""
    lens: str = ""
    focal_mm: float | None = None
    lat: float | None = None  # degrees north; None together with `lon`
    lon: float | None = None  # degrees east
    rating: int | None = None  # 0 to 5 stars; -1: rejected
    caption: str = ""
    tags: tuple[str, ...] = ()
    sharpness: float | None = None  # see clipd.decode.sharpness; None: only its headers were read
    has_exif: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file that was read: its hash always, its pixels unless the hash was known."""

    content_hash: bytes  # 16 bytes, BLAKE2b of the whole file
    fingerprint: Fingerprint
    width: int  # of the upright picture, pixels; 0 when not decoded
    height: int
    format: str  # Pillow's word: "JPEG", "HEIF", ...; "" when not decoded
    meta: Meta  # empty when not decoded
    pixels: Pixels | None  # (side, side, 3); None: the hash is known, nothing was decoded
    sidecar: Fingerprint | None = None  # of the XMP file beside it that was read, too


@dataclass(frozen=True, slots=True)
class Headers:
    """What a file and the one beside it say of themselves; nothing of it was decoded."""

    fingerprint: Fingerprint
    meta: Meta
    sidecar: Fingerprint | None  # of the XMP file beside it; None: there is none


@dataclass(frozen=True, slots=True)
class Drawn:
    """A file made small for people to look at."""

    fingerprint: Fingerprint
    width: int  # pixels
    height: int
    jpeg: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A file fitted into a box, as pixels."""

    fingerprint: Fingerprint
    width: int  # pixels
    height: int
    rgb: bytes = field(repr=False)  # three a pixel, row by row from the top


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that could not be made into pixels, and why."""

    kind: FailureKind
    reason: str  # one sentence without the path
    fingerprint: Fingerprint | None = None  # None: the file was gone or not readable


@dataclass(frozen=True, slots=True)
class Hit:
    """One photo that answers a query.

    Attributes:
        score: confidence, 0..1; None where nothing was looked for.
        also: the other paths of the same photo.
        raw: the cosine, -1..1; None where nothing was looked for.
        taken: local time, ISO 8601; "" where it is not known.
        taken_from: what says so: exif, xmp, name, folder or file.
        stands_for: photos that this one was chosen from, itself among them.
        members: the others of these, where they were asked for.
        key: what it is ordered by, so that lists of several libraries can be merged.
        content_hash: of the file; empty where it is not known.
    """

    photo: int
    path: bytes
    score: float | None
    offline: bool
    also: tuple[bytes, ...] = ()
    raw: float | None = None
    taken: str = ""
    taken_from: str = ""
    place: str = ""
    tags: tuple[str, ...] = ()
    stands_for: int = 1
    members: tuple[Hit, ...] = ()
    key: float | str | None = None
    content_hash: bytes = b""
