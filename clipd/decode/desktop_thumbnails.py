"""Thumbnails that the desktop made: found, and opened where they may serve. Never written.

Where they lie and what they say is the Thumbnail Managing Standard of freedesktop.org, 0.9.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clipd.decode.opening import open_untouched
from clipd.decode.settings import Claim
from clipd.photo import Fingerprint

# Longest side in pixels of what lies in each folder.
_FOLDERS: Final = ((128, "normal"), (256, "large"), (512, "x-large"), (1024, "xx-large"))
_MOST_BYTES: Final = 8 << 20
# What GLib leaves as it is in an address of a file (gconvert.c), and Qt does: also ";".
_GLIB: Final = frozenset(b"!$&'()*+,-./:=@_~")
_QT: Final = _GLIB | frozenset(b";")
# A thumbnail that was made within a second after the file changed may be of what was there before.
_NANOSECONDS: Final = 1_000_000_000
_LEAST_AGE_NS: Final = _NANOSECONDS


@dataclass(frozen=True, slots=True)
class DesktopThumbnail:
    """An open file that must be what it seems to be; whether it is, is for the decoder to see."""

    fd: int  # closed by who asked for it
    claim: Claim


class DesktopThumbnails:
    """The folder where desktops keep thumbnails. Any thread.

    Args:
        folder: such as ``~/.cache/thumbnails``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = os.fsencode(folder)

    def open(self, path: bytes, known: Fingerprint, side: int) -> DesktopThumbnail | None:
        """Open the smallest thumbnail of a file that has at least ``side`` pixels.

        Args:
            path: of the file.
            known: what the disk says of the file.
        """
        uris = tuple(dict.fromkeys(_uri(path, plain) for plain in (_GLIB, _QT)))
        for largest, name in _FOLDERS:
            if largest < side:
                continue
            for uri in uris:
                digest = hashlib.md5(uri.encode(), usedforsecurity=False).hexdigest()
                file = os.path.join(self._folder, name.encode(), f"{digest}.png".encode())
                fd = _opened(file, known)
                if fd is not None:
                    mtime = str(known.mtime_ns // _NANOSECONDS)
                    return DesktopThumbnail(fd, Claim(uris, mtime))
        return None


def _opened(file: bytes, known: Fingerprint) -> int | None:
    """Open a thumbnail if it is a file of ours that is younger than what it shows."""
    try:
        fd = open_untouched(file)
    except OSError:
        return None
    with suppress(OSError):
        seen = os.fstat(fd)
        changed_ns = max(known.mtime_ns, known.ctime_ns)
        is_ours = stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid()
        if (
            is_ours
            and seen.st_size <= _MOST_BYTES
            and seen.st_mtime_ns >= changed_ns + _LEAST_AGE_NS
        ):
            return fd
    os.close(fd)
    return None


def _uri(path: bytes, plain: frozenset[int]) -> str:
    return "file://" + "".join(
        chr(byte) if byte in plain or (chr(byte).isalnum() and byte < 128) else f"%{byte:02X}"
        for byte in path
    )
