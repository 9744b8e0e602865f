"""What kind of file system a folder lies on, and what it can be trusted with."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

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
    with open("/proc/self/mountinfo", "rb") as mounts:
        return _innermost(real, mounts.read())


def _innermost(real: bytes, mountinfo: bytes) -> FileSystem:
    best = FileSystem(b"/", "unknown")
    for line in mountinfo.splitlines():
        before, _, after = line.partition(b" - ")
        point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), before.split(b" ")[4])
        # Of two mounts on one point the later covers the earlier: proc(5) lists them in order.
        is_above = point == b"/" or real == point or real.startswith(point + b"/")
        if is_above and len(point) >= len(best.mount_point):
            best = FileSystem(point, os.fsdecode(after.split(b" ")[0]))
    return best


def _family(kind: str) -> str:
    # "fuse.sshfs" and the like; "fuseblk" is a local disk, where nobody else writes.
    return kind.partition(".")[0]
