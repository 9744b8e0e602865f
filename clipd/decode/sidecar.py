"""The XMP file beside a photo, in which programs keep what they must not write into the photo."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from clipd.photo import Fingerprint

MOST_SIDECAR_BYTES: Final = 4 << 20
_ENDING: Final = b".xmp"


@dataclass(frozen=True, slots=True)
class OpenSidecar:
    """A file beside a photo, open for reading."""

    fd: int
    fingerprint: Fingerprint


def is_sidecar_name(name: bytes) -> bool:
    """Whether a file of this name says something of a photo beside it."""
    return len(name) > len(_ENDING) and name[-len(_ENDING) :].lower() == _ENDING


def sidecar_names(name: bytes) -> tuple[bytes, ...]:
    """Return the names under which the sidecar of a photo may lie, the best first.

    ``a.jpg.xmp`` belongs to ``a.jpg`` alone, ``a.xmp`` also to ``a.cr2``.
    """
    stem, dot, _ = name.rpartition(b".")
    return (name + _ENDING, stem + _ENDING) if dot and stem else (name + _ENDING,)


def named_by(sidecar: bytes) -> bytes:
    """Return the name of the photo that ``a.jpg.xmp`` belongs to, or that stem of ``a.xmp``."""
    return sidecar[: -len(_ENDING)]


def open_sidecar(photo: bytes) -> OpenSidecar | None:
    """Open what lies beside a photo; None where there is nothing, or nothing that can be read."""
    folder, name = os.path.split(photo)
    for each in sidecar_names(name):
        with suppress(OSError):
            return _opened(os.path.join(folder, each))
    return None


def _opened(path: bytes) -> OpenSidecar:
    # NONBLOCK, NOCTTY, NOFOLLOW: whatever lies there, opening it waits for nobody.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
    fd = os.open(path, flags)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError
        return OpenSidecar(fd, Fingerprint.of(status))
    except BaseException:
        os.close(fd)
        raise
