"""Copies of photos in another folder: whole or not at all, and nothing overwritten."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import count
from typing import NamedTuple

from clipd.ctl.last_list import ListedPhoto
from clipd.errors import RequestError
from clipd.pathtext import shown

_PIECE_BYTES = 8 << 20
# Errors of the folder: the next photo would meet the same.
_OF_THE_FOLDER = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
# What open(2) says of O_TMPFILE where a file system, or the kernel, does not know it.
_WITHOUT_UNNAMED = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL))
# What file systems without hard links say: FAT, exFAT, some network drives.
_WITHOUT_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV))


class CopyReport(NamedTuple):
    """What became of the photos."""

    copied: list[tuple[ListedPhoto, bytes]]  # with the new path
    there_already: list[tuple[ListedPhoto, bytes]]  # with the path of the file of the same bytes
    passed_over: list[tuple[ListedPhoto, str]]  # with the reason

    @property
    def has_failures(self) -> bool:
        """Whether a photo was passed over that is not just on an absent drive."""
        return any(not photo.offline for photo, _ in self.passed_over)


def copy_photos(photos: Iterable[ListedPhoto], folder: bytes, *, is_link: bool) -> CopyReport:
    """Copy photos into a folder; those that cannot be read are passed over.

    Raises:
        RequestError: the folder cannot be made, written or holds no more.
    """
    _make(folder)
    report = CopyReport([], [], [])
    for photo in photos:
        if photo.is_far:
            report.passed_over.append((photo, "its file is not on this machine"))
            continue
        try:
            made, is_new = _link(photo.path, folder) if is_link else _copy(photo.path, folder)
        except OSError as error:
            if error.errno in _OF_THE_FOLDER:
                raise _full(folder, error, len(report.copied)) from error
            report.passed_over.append((photo, _reason(photo, error)))
            continue
        (report.copied if is_new else report.there_already).append((photo, made))
    _sync(folder)
    return report


def _make(folder: bytes) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileExistsError as error:
        message = f"{shown(folder)} is a file, not a folder; name another one"
        raise RequestError("no_folder", message, 409) from error
    except OSError as error:
        message = f"cannot write into {shown(folder)}: {error.strerror}; name another folder"
        raise RequestError("no_folder", message, 403) from error


def _full(folder: bytes, error: OSError, copied: int) -> RequestError:
    return RequestError(
        "no_room",
        f"cannot write into {shown(folder)}: {error.strerror}; {copied:,} copied before that are "
        "whole, and the same command goes on from there",
        507,
    )


def _reason(photo: ListedPhoto, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "its drive is not there" if photo.offline else "there is no such file"
    return error.strerror or str(error)


def _link(path: bytes, folder: bytes) -> tuple[bytes, bool]:
    os.stat(path)  # a link to nothing helps nobody
    for name in _names(path):
        target = os.path.join(folder, name)
        try:
            os.symlink(path, target)
        except FileExistsError:
            if os.path.islink(target) and os.readlink(target) == path:
                return target, False
            continue
        return target, True
    raise AssertionError("names never end")


def _copy(path: bytes, folder: bytes) -> tuple[bytes, bool]:
    """Copy a file; return the path of the copy, and whether it is new.

    Raises:
        OSError: it cannot be read, or the copy not be written; nothing is left of it.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a file", path)
    with FileIO(_without_traces(path)) as source:
        found = os.fstat(source.fileno())
        for name in _names(path):
            target = os.path.join(folder, name)
            if not os.path.lexists(target):
                break
            if _has_bytes_of(target, source, found.st_size):
                return target, False
        with _unnamed(folder) as fresh:
            _fill(fresh, source.fileno(), found)
            for name in _names(path):
                target = os.path.join(folder, name)
                with suppress(FileExistsError):
                    fresh.put(target)
                    return target, True
    raise AssertionError("names never end")


def _without_traces(path: bytes) -> int:
    """Open a photo; its time of access stays where the system lets us (open(2), O_NOATIME)."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # nobody may ever write to a pipe
    try:
        return os.open(path, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(path, flags)


def _has_bytes_of(target: bytes, source: FileIO, size: int) -> bool:
    """Whether a file holds the same bytes as the source, which is left at its start."""
    if not os.path.isfile(target) or os.path.getsize(target) != size:
        return False
    with FileIO(_without_traces(target)) as other:
        pieces = zip(_pieces(source), _pieces(other), strict=True)
        is_same = all(one == another for one, another in pieces)
    source.seek(0)
    return is_same


def _pieces(file: FileIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_PIECE_BYTES), b"")


def _names(path: bytes) -> Iterator[bytes]:
    """Yield ``DSC_0001.jpg``, ``DSC_0001 (2).jpg``, ``DSC_0001 (3).jpg`` ..."""
    name = os.path.basename(path)
    yield name
    stem, ending = os.path.splitext(name)
    for number in count(2):
        yield b"%b (%d)%b" % (stem, number, ending)


class _Fresh(NamedTuple):
    """A file that is being written: without a name where the file system can do that."""

    descriptor: int
    name: bytes | None

    def put(self, target: bytes) -> None:
        """Give it its name.

        Raises:
            FileExistsError: something has that name.
        """
        folder = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
        try:
            if self.name is None:
                # linkat(2): the file that the link in /proc leads to, since it has no name.
                source = b"/proc/self/fd/%d" % self.descriptor
                os.link(source, os.path.basename(target), dst_dir_fd=folder)
            else:
                self._put_by_name(target)
        finally:
            os.close(folder)

    def _put_by_name(self, target: bytes) -> None:
        assert self.name is not None
        try:
            os.link(self.name, target)
        except OSError as error:
            if error.errno not in _WITHOUT_LINKS:
                raise
            # An empty file of ours holds the name, so that the rename replaces nobody's.
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            os.rename(self.name, target)


@contextmanager
def _unnamed(folder: bytes) -> Iterator[_Fresh]:
    """Open a new file in a folder; what was given no name by the end of the block is gone."""
    name: bytes | None = None
    flags = os.O_WRONLY | os.O_CLOEXEC
    try:
        descriptor = os.open(folder, flags | os.O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in _WITHOUT_UNNAMED:
            raise
        name = os.path.join(folder, b".clipctl-%d.part" % os.getpid())
        descriptor = os.open(name, flags | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        yield _Fresh(descriptor, name)
    finally:
        os.close(descriptor)
        if name is not None:
            with suppress(FileNotFoundError):
                os.unlink(name)


def _fill(fresh: _Fresh, source: int, found: os.stat_result) -> None:
    """Give a new file the content, the times and the permissions of another, on the disk."""
    while _sent(source, fresh.descriptor):
        pass
    if os.fstat(fresh.descriptor).st_size != os.fstat(source).st_size:
        raise OSError(errno.EIO, "it could not be read to its end")
    with suppress(PermissionError):  # FAT has no permissions
        os.fchmod(fresh.descriptor, stat.S_IMODE(found.st_mode) & 0o777)
    os.utime(fresh.descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
    os.fsync(fresh.descriptor)


def _sent(source: int, target: int) -> int:
    """Move a piece; within one file system that can share blocks it takes no room."""
    with suppress(OSError):  # between file systems, and in many, that is not possible
        if sent := os.copy_file_range(source, target, _PIECE_BYTES):
            return sent
    return os.sendfile(target, source, None, _PIECE_BYTES)


def _sync(folder: bytes) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
