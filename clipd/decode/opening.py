"""Open a photo so that reading it harms nobody, and look at it before a decoder has to."""

from __future__ import annotations

import errno
import os
import stat

from clipd.decode.formats import (
    HEAD_BYTES,
    is_picture_ending,
    is_video,
    sniff,
    unread_format,
)
from clipd.errors import PictureError
from clipd.photo import Fingerprint, Refused

# NONBLOCK: opening a FIFO, which a name can turn into at any moment, must not wait for a writer.
# NOCTTY: nor may a terminal become ours. NOFOLLOW: links are the watcher's business.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_GONE = (errno.ENOENT, errno.ENOTDIR)


def open_photo(path: bytes, *, follow: bool = False) -> int | Refused:
    """Open a regular file for reading, without touching its access time where we may.

    Args:
        path: the file.
        follow: whether a symbolic link is followed.

    Returns:
        A descriptor that the caller closes, or why there is none.
    """
    try:
        fd = _open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    except OSError as error:
        return _refused(error)
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return fd
    os.close(fd)
    return Refused("skipped", "not a regular file", Fingerprint.of(status))


def _open(path: bytes, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        # O_NOATIME is for the owner only (open(2)); reading may be allowed all the same.
        return os.open(path, flags)


def _refused(error: OSError) -> Refused:
    if error.errno in _GONE:
        return Refused("missing", "the file is gone")
    if error.errno == errno.ELOOP:
        return Refused("skipped", "a symbolic link, which is not followed")
    if error.errno in (errno.ENXIO, errno.ENODEV):
        return Refused("skipped", "not a regular file")
    return Refused("unreadable", f"cannot be opened: {error.strerror}")


def identify(fd: int, name: bytes, max_file_bytes: int) -> str:
    """Return the format of an open file, Pillow's word or "RAW".

    Args:
        fd: a regular file.
        name: its name, "" for a picture that was sent without one.
        max_file_bytes: limit of its size.

    Raises:
        PictureError: it is empty, over the limit, or nothing that is read.
    """
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
