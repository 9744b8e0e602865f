"""The kernel's own list of what is watched, against the folders that should be."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from pathlib import Path

_IN_DELETE_SELF = 0x400
_libc = ctypes.CDLL(None, use_errno=True)


class Coverage:
    """The watches of this process, as /proc/self/fdinfo shows them at one moment.

    A folder is known there by its inode and the device of its superblock. On btrfs and some
    overlays stat(2) tells another device, so that where a device is not in the list at all,
    the inode alone decides.
    """

    def __init__(self) -> None:
        self._inodes_of: dict[int, set[int]] = {}
        for listing in _inotify_listings():
            self._read(listing)
        self._inodes: set[int] = set().union(*self._inodes_of.values())

    def __len__(self) -> int:
        return sum(map(len, self._inodes_of.values()))

    def has(self, stat: os.stat_result) -> bool:
        """Whether a folder with this stat is watched."""
        device = os.major(stat.st_dev) << 20 | os.minor(stat.st_dev)  # the kernel's MKDEV
        return stat.st_ino in self._inodes_of.get(device, self._inodes)

    def has_folder(self, folder: bytes) -> bool:
        """Whether a folder is watched, or is not there to be watched."""
        try:
            return self.has(os.stat(folder))
        except OSError:
            return True  # gone, or out of reach

    def missing(self, folders: Iterable[bytes]) -> list[bytes]:
        """Return those folders that are there and not watched."""
        return [folder for folder in folders if not self.has_folder(folder)]

    def _read(self, listing: str) -> None:
        for line in listing.splitlines():
            if line.startswith("inotify "):
                fields = dict(word.split(":", 1) for word in line.split() if ":" in word)
                device = int(fields["sdev"], 16)
                self._inodes_of.setdefault(device, set()).add(int(fields["ino"], 16))


def watch_limit() -> int:
    """Return ``fs.inotify.max_user_watches``; 0 when it cannot be read."""
    return _setting("max_user_watches")


def instance_limit() -> int:
    """Return ``fs.inotify.max_user_instances``; 0 when it cannot be read."""
    return _setting("max_user_instances")


def is_limit_reached(folder: bytes) -> bool:
    """Whether the kernel refuses one more watch, asked by trying it on a folder.

    The limit counts the watches of all programs of the user, so ours alone do not tell.
    """
    instance = _libc.inotify_init1(os.O_CLOEXEC)
    if instance < 0:
        return ctypes.get_errno() == errno.EMFILE
    try:
        ctypes.set_errno(0)
        watch = _libc.inotify_add_watch(instance, folder, _IN_DELETE_SELF)
        return watch < 0 and ctypes.get_errno() == errno.ENOSPC
    finally:
        os.close(instance)


def _inotify_listings() -> list[str]:
    listings = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:inotify":
                listings.append(Path(f"/proc/self/fdinfo/{fd}").read_text())
        except OSError:
            continue  # closed in the meantime
    return listings


def _setting(name: str) -> int:
    try:
        return int(Path(f"/proc/sys/fs/inotify/{name}").read_text())
    except (OSError, ValueError):
        return 0
