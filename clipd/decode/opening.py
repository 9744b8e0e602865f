"""Open a photo so that reading it harms nobody, and look at it before a decoder has to."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace

from clipd.decode.formats import (
    HEAD_BYTES,
    is_picture_ending,
    is_video,
    sniff,
    unread_format,
)
from clipd.decode.sidecar import OpenSidecar, open_sidecar
from clipd.errors import PictureError, ShortageError
from clipd.photo import Fingerprint, Refused

# NONBLOCK: opening a FIFO, which a name can turn into at any moment, must not wait for a writer.
# NOCTTY: nor may a terminal become ours. NOFOLLOW: links are the watcher's business.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_GONE = (errno.ENOENT, errno.ENOTDIR)


# What says that this process or the machine has no more to give; no fault of the file.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


@dataclass(frozen=True, slots=True)
class OpenPhoto:
    """A file that is open and looks like a picture."""

    fd: int
    fingerprint: Fingerprint
    format: str  # Pillow's word, or "RAW"
    sidecar: OpenSidecar | None = None  # what lies beside it

    def close(self) -> None:
        """Close the file and the one beside it."""
        with suppress(OSError):  # its drive was unmounted by force; the descriptor is gone
            os.close(self.fd)
        if self.sidecar is not None:
            with suppress(OSError):
                os.close(self.sidecar.fd)


def open_photo(path: bytes, max_file_bytes: int, *, follow: bool = False) -> OpenPhoto | Refused:
    """Open a picture for reading, without touching its access time where we may.

    Args:
        path: the file.
        max_file_bytes: limit of its size.
        follow: whether a symbolic link is followed.

    Returns:
        The open file, with the one beside it, which the caller closes; or why there is none.

    Raises:
        ShortageError: there are no descriptors, or no memory, for the moment.
    """
    try:
        fd = open_untouched(path, follow=follow)
    except OSError as error:
        return _refused(error)
    try:
        photo = look_at(fd, os.path.basename(path), max_file_bytes)
    except BaseException:
        os.close(fd)
        raise
    if isinstance(photo, Refused):
        os.close(fd)
        return photo
    return replace(photo, sidecar=open_sidecar(path))


def look_at(fd: int, name: bytes, max_file_bytes: int) -> OpenPhoto | Refused:
    """Tell whether an open file looks like a picture, and of which format.

    Args:
        fd: the file; stays the caller's.
        name: its name, "" for a picture that was sent without one.
        max_file_bytes: limit of its size.
    """
    try:
        status = os.fstat(fd)
    except OSError as error:
        return _refused(error)
    seen = Fingerprint.of(status)
    if not stat.S_ISREG(status.st_mode):
        return Refused("skipped", "not a regular file", seen)
    try:
        return OpenPhoto(fd, seen, _identify(fd, name, max_file_bytes))
    except PictureError as error:
        return Refused(error.kind, str(error), seen)


def open_untouched(path: bytes, *, follow: bool = False) -> int:
    """Open whatever lies at a path for reading, without touching its access time where we may.

    Raises:
        OSError: it cannot be opened; ELOOP where it is a link that is not to be followed.
    """
    flags = _FLAGS if follow else _FLAGS | os.O_NOFOLLOW
    try:
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        # O_NOATIME is for the owner only (open(2)); reading may be allowed all the same.
        return os.open(path, flags)


def _refused(error: OSError) -> Refused:
    if error.errno in _SHORTAGES:
        raise ShortageError(f"photos cannot be opened: {error.strerror}") from error
    if error.errno in _GONE:
        return Refused("missing", "the file is gone")
    if error.errno == errno.ELOOP:
        return Refused("skipped", "a symbolic link, which is not followed")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return Refused("skipped", "not a regular file")
    return Refused("unreadable", f"cannot be opened: {error.strerror}")


def _identify(fd: int, name: bytes, max_file_bytes: int) -> str:
    """Return the format of a regular file; `PictureError` when it is nothing that is read."""
    size_bytes = os.fstat(fd).st_size
    if size_bytes == 0:
        raise PictureError("empty", "the file is empty")
    if size_bytes > max_file_bytes:
        raise PictureError(
            "too-large",
            f"{size_bytes:,} bytes are over the limit of {max_file_bytes:,}"
            " (raise decoder.max_file to read it)",
        )
    try:
        head = os.pread(fd, HEAD_BYTES, 0)
    except OSError as error:
        raise PictureError("unreadable", f"reading failed: {error.strerror}") from error
    return sniff(head, name) or _nothing_read(head, name)


def _nothing_read(head: bytes, name: bytes) -> str:
    if word := unread_format(head, name):
        raise PictureError("unsupported", f"{word} pictures are not read")
    if not is_picture_ending(name):
        raise PictureError("skipped", "not a picture by its content")
    if is_video(head):
        raise PictureError("unsupported", "a video, or a picture of a kind that is not read")
    raise PictureError("corrupt", "not a picture: it begins like none that is known")
