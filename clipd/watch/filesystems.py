"""What kind of file system a folder lies on, and what it can be trusted with."""

from __future__ import annotations

import fcntl
import os
import re
import select
import threading
from dataclasses import dataclass

from clipd.watch.root import is_within
from clipd.watch.statx import mount_id

# Changes made by another machine, or beneath FUSE, never become inotify events (inotify(7)).
# fmt: off
_NO_EVENTS = frozenset((
    "9p", "afs", "ceph", "cifs", "coda", "davfs", "fuse", "gfs2", "glusterfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
))
# fmt: on
# Inodes made up when a file is first looked at, so that another mount gives others.
_UNSTABLE_INODES = frozenset(("cifs", "davfs", "exfat", "fuse", "msdos", "smb3", "smbfs", "vfat"))
# fmt: off
_KERNELS_OWN = frozenset((
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts",
    "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nsfs", "proc", "pstore",
    "rpc_pipefs", "securityfs", "sysfs", "tracefs",
))
# fmt: on
_UUID_BYTES = 17  # struct fsuuid2 of linux/fs.h: the length, then at most 16 bytes
_FS_IOC_GETFSUUID = 0x80111500  # _IOR(0x15, 0, struct fsuuid2)
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


class MountClock:
    """Counts the changes of the list of mounts, for the price of one system call. Any thread.

    To be closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = open("/proc/self/mountinfo", "rb")  # noqa: SIM115
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLPRI)
        self._changes = 0

    def now(self) -> int:
        """Return the number of changes so far, several at once as one."""
        with self._lock:
            # The kernel tells each change once to each opening of the file, see proc(5).
            if self._poll.poll(0):
                self._changes += 1
            return self._changes

    def close(self) -> None:
        """Count no more."""
        self._file.close()


def filesystem_of(path: bytes) -> FileSystem:
    """Return the file system that a path lies on; the path need not exist."""
    real = os.path.realpath(path)
    return _innermost(real, _mounts())[1]


def mounts_below(path: bytes) -> dict[bytes, int]:
    """Return the numbers of the mount that a folder lies on and of those below it, by folder.

    A mount that is made anew has another number, so that an answer that differs from an earlier
    one tells that other files may be there, and that the watches on the old ones are gone. The
    kernel's own file systems, such as /proc, are left out.
    """
    real = os.path.realpath(path)
    mounts = _mounts()
    found = {path: _innermost(real, mounts)[0]}
    for number, mount in mounts:
        point = mount.mount_point
        if point != real and is_within(point, real) and _family(mount.kind) not in _KERNELS_OWN:
            found[os.path.join(path, os.path.relpath(point, real))] = number
    return {folder: _lasting_number(folder) or number for folder, number in found.items()}


def _lasting_number(folder: bytes) -> int:
    try:
        return mount_id(folder)
    except OSError:
        return 0  # a mount that only another user may enter, or whose server is gone


def uuid_of(folder: bytes) -> str:
    """Return the UUID of the file system that a folder lies on; "" when nobody knows it."""
    return _uuid_from_kernel(folder) or _uuid_from_udev(os.stat(folder).st_dev)


def _uuid_from_kernel(folder: bytes) -> str:
    answer = bytearray(_UUID_BYTES)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(opened, _FS_IOC_GETFSUUID, answer)
    except OSError:
        return ""  # a kernel before 6.9, or a file system that has none, such as FAT
    finally:
        os.close(opened)
    uuid = answer[1 : 1 + answer[0]]
    return uuid.hex() if any(uuid) else ""


def _uuid_from_udev(device: int) -> str:
    try:
        with os.scandir("/dev/disk/by-uuid") as links:
            for link in links:
                if os.stat(link.path).st_rdev == device:
                    return link.name
    except OSError:
        return ""
    return ""


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
