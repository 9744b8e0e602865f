"""What kind of file system a folder lies on, and what it can be trusted with."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from clipd.watch.root import is_within

# Changes made by another machine, or beneath FUSE, never become inotify events (inotify(7)).
# fmt: off
_NO_EVENTS = frozenset((
    "9p", "afs", "ceph", "cifs", "coda", "davfs", "fuse", "gfs2", "glusterfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
))
# fmt: on
# Inodes made up when a file is first looked at, so that another mount gives others.
_UNSTABLE_INODES = frozenset(("cifs", "davfs", "exfat", "fuse", "msdos", "smb3", "smbfs", "vfat"))
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One mount. ``kind`` is the kernel's word, as in ``ext4`` or ``fuse.sshfs``."""

    mount_point: bytes
    kind: str

    @property
    def has_events(self) -> bool:
        """Whether inotify tells of every change."""
        return _family(self.kind) not in _NO_EVENTS

    @property
    def has_stable_inodes(self) -> bool:
        """Whether a file keeps its inode number when it is mounted again."""
        return _family(self.kind) not in _UNSTABLE_INODES

    @property
    def has_leases(self) -> bool:
        """Whether a lease tells, without asking another machine, who has a file open."""
        return self.has_events


def filesystem_of(path: bytes) -> FileSystem:
    """Return the file system that a path lies on; the path need not exist."""
    real = os.path.realpath(path)
    return _innermost(real, _mounts())[1]


def mounts_of(path: bytes) -> frozenset[int]:
    """Return the ids of the mounts that a folder lies on and that lie below it.

    A mount that is made anew has a new id, so that a set that differs from an earlier one tells
    that other files may be there, and that the watches on the old ones are gone.
    """
    real = os.path.realpath(path)
    mounts = _mounts()
    below = {number for number, mount in mounts if is_within(mount.mount_point, real)}
    return frozenset(below | {_innermost(real, mounts)[0]})


def _mounts() -> list[tuple[int, FileSystem]]:
    with open("/proc/self/mountinfo", "rb") as mountinfo:
        return [_mount(line) for line in mountinfo]


def _mount(line: bytes) -> tuple[int, FileSystem]:
    """Read a line of mountinfo, see proc(5)."""
    before, _, after = line.partition(b" - ")
    number, _, _, _, point, *_ = before.split(b" ")
    point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), point)
    return int(number), FileSystem(point, os.fsdecode(after.split(b" ")[0]))


def _innermost(real: bytes, mounts: list[tuple[int, FileSystem]]) -> tuple[int, FileSystem]:
    best = (0, FileSystem(b"/", "unknown"))
    for number, mount in mounts:
        # Of two mounts on one point the later covers the earlier: the list is in order.
        is_inner = len(mount.mount_point) >= len(best[1].mount_point)
        if is_inner and is_within(real, mount.mount_point):
            best = (number, mount)
    return best


def _family(kind: str) -> str:
    # "fuse.sshfs" and the like; "fuseblk" is a local disk, where nobody else writes.
    return kind.partition(".")[0]
