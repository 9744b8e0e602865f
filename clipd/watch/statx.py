"""One system call that tells all about a file, its time of birth included: statx(2)."""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass

from clipd.photo import Fingerprint

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_BASIC_STATS = 0x7FF
_BTIME = 0x800  # also in the answer's mask, where the file system knows it
_MNT_ID_UNIQUE = 0x4000
_AT_MNT_ID = 144  # where the number of the mount is in the answer
_NANOSECONDS = 1_000_000_000

# struct statx of the kernel's include/uapi/linux/stat.h, as far as it is read here: mask, block
# size, attributes, links, owner, group, mode, inode, size, blocks, mask of attributes; four
# times (access, birth, change, modification); device of a special file, device it lies on.
_LAYOUT = struct.Struct("=IIQIIIHHQQQQ qIi qIi qIi qIi IIII")
_BYTES = 256

_libc = ctypes.CDLL(None, use_errno=True)
_statx = getattr(_libc, "statx", None)  # glibc 2.28 and newer, musl 1.2.3 and newer


@dataclass(frozen=True, slots=True)
class FileStat:
    """What the kernel says of a path, links not followed."""

    mode: int
    links: int
    fingerprint: Fingerprint  # with the time of birth, where the file system keeps it


def stat_with_birth(path: bytes) -> FileStat:
    """Look at a path.

    Raises:
        OSError: as ``os.lstat`` would.
    """
    if _statx is None:
        return _without_birth(path)
    answer = ctypes.create_string_buffer(_BYTES)
    asked = ctypes.c_uint(_BASIC_STATS | _BTIME)
    if _statx(_AT_FDCWD, path, _AT_SYMLINK_NOFOLLOW, asked, answer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return _read(answer.raw)


def mount_id(folder: bytes) -> int:
    """Return the number of the mount that a folder lies on, which no later mount is given.

    0 where the kernel (before 6.8) does not tell: the numbers in mountinfo are given out again.

    Raises:
        OSError: as ``os.stat`` would.
    """
    if _statx is None:
        return 0
    answer = ctypes.create_string_buffer(_BYTES)
    if _statx(_AT_FDCWD, folder, 0, ctypes.c_uint(_MNT_ID_UNIQUE), answer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), folder)
    (mask,) = struct.unpack_from("=I", answer.raw)
    (found,) = struct.unpack_from("=Q", answer.raw, _AT_MNT_ID)
    return int(found) if mask & _MNT_ID_UNIQUE else 0


def _read(answer: bytes) -> FileStat:
    mask, _, _, links, _, _, mode, _, inode, size, _, _, *rest = _LAYOUT.unpack_from(answer)
    birth, change, modification = (rest[at] * _NANOSECONDS + rest[at + 1] for at in (3, 6, 9))
    device = os.makedev(rest[14], rest[15])
    born_ns = birth if mask & _BTIME else 0
    seen = Fingerprint(size, modification, change, inode, device, born_ns)
    return FileStat(mode, links, seen)


def _without_birth(path: bytes) -> FileStat:
    stat = os.lstat(path)
    return FileStat(stat.st_mode, stat.st_nlink, Fingerprint.of(stat))
