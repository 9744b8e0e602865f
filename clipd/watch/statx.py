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
