"""A read-only FUSE file system over a folder, as small as it can be: a program of its own.

Stopped by SIGSTOP it is a network drive whose server went away: every call to the mount waits.
It speaks the protocol itself (linux/fuse.h, version 7.31), so that no library is needed.

    python -m tests.faults.fuse_server BACKING MOUNT_POINT [--silent | --hang-at N | --fail-at N]
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import signal
import stat
import struct
from collections.abc import Callable

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE = 1, 2, 3, 14, 15, 17, 18
_FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _INTERRUPT, _BATCH_FORGET = (
    25,
    26,
    27,
    28,
    29,
    36,
    42,
)
_UNANSWERED = (_FORGET, _INTERRUPT, _BATCH_FORGET)
_HEADER = struct.Struct("=IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, padding
_REQUEST_BYTES = 1 << 20
_MAX_WRITE = 65536


class Server:
    """Answers the kernel's requests from a folder; nothing that it answers may be cached."""

    def __init__(
        self, device: int, backing: bytes, hang_at: int | None, fail_at: int | None
    ) -> None:
        self._device = device
        self._fail_at = fail_at  # what lies beyond this offset cannot be read
        self._hang_at = hang_at  # reading beyond this offset stops the server
        self._paths = {1: backing}
        self._nodes = {backing: 1}
        self._answers: dict[int, Callable[[int, bytes], bytes]] = {
            _INIT: self._init,
            _LOOKUP: self._lookup,
            _GETATTR: self._attributes,
            _OPEN: self._opened,
            _OPENDIR: self._opened,
            _READ: self._read,
            _READDIR: self._list,
            _STATFS: self._space,
            _RELEASE: lambda node, body: b"",
            _RELEASEDIR: lambda node, body: b"",
            _FLUSH: lambda node, body: b"",
        }

    def serve(self) -> None:
        """Answer until the file system is unmounted."""
        while True:
            try:
                request = os.read(self._device, _REQUEST_BYTES)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.ENOENT, errno.EINTR):  # the caller was interrupted
                    continue
                raise
            _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
            if opcode not in _UNANSWERED:
                self._answer(opcode, unique, node, request[_HEADER.size :])

    def _answer(self, opcode: int, unique: int, node: int, body: bytes) -> None:
        failure, content = 0, b""
        try:
            content = self._answers[opcode](node, body)
        except KeyError:
            failure = errno.ENOSYS
        except OSError as error:
            failure = error.errno or errno.EIO
        answer = struct.pack("=IiQ", 16 + len(content), -failure, unique) + content
        try:
            os.write(self._device, answer)
        except OSError as error:
            if error.errno != errno.ENOENT:  # nobody waits for it any more
                raise

    def _init(self, node: int, body: bytes) -> bytes:
        return struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 12, 9, _MAX_WRITE, 1, 0, 0, 0)

    def _lookup(self, node: int, body: bytes) -> bytes:
        path = os.path.join(self._paths[node], body.rstrip(b"\0"))
        attributes = _attributes(os.lstat(path))
        number = self._nodes.setdefault(path, len(self._nodes) + 1)
        self._paths[number] = path
        return struct.pack("=QQQQII", number, 0, 0, 0, 0, 0) + attributes

    def _attributes(self, node: int, body: bytes) -> bytes:
        return struct.pack("=QII", 0, 0, 0) + _attributes(os.lstat(self._paths[node]))

    def _opened(self, node: int, body: bytes) -> bytes:
        os.lstat(self._paths[node])
        return struct.pack("=QII", 0, 0, 0)

    def _read(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", body)
        if self._hang_at is not None and offset + size > self._hang_at:
            os.kill(os.getpid(), signal.SIGSTOP)
        if self._fail_at is not None and offset + size > self._fail_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        with open(self._paths[node], "rb") as file:
            return os.pread(file.fileno(), size, offset)

    def _list(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", body)
        listed = b""
        for number, name in enumerate(sorted(os.listdir(self._paths[node])), 1):
            entry = struct.pack("=QQII", number, number, len(name), 0) + name
            entry += bytes(-len(entry) % 8)
            if number > offset and len(listed) + len(entry) <= size:
                listed += entry
        return listed

    def _space(self, node: int, body: bytes) -> bytes:
        return struct.pack("=QQQQQIIII24x", 1 << 20, 1 << 19, 1 << 19, 0, 0, 4096, 255, 4096, 0)


def _attributes(of: os.stat_result) -> bytes:
    times = (of.st_atime_ns, of.st_mtime_ns, of.st_ctime_ns)
    seconds = [time // 10**9 for time in times]
    rest = [time % 10**9 for time in times]
    mode = of.st_mode & ~0o222 if stat.S_ISREG(of.st_mode) else of.st_mode
    numbers = (mode, of.st_nlink, of.st_uid, of.st_gid, 0, 4096, 0)
    return struct.pack("=6Q10I", of.st_ino, of.st_size, 1, *seconds, *rest, *numbers)


def _mount(device: int, mount_point: bytes) -> None:
    """Mount by mount(2): fusermount is not everywhere."""
    c_library = ctypes.CDLL(None, use_errno=True)
    options = b"fd=%d,rootmode=40000,user_id=%d,group_id=%d" % (device, os.getuid(), os.getgid())
    options += b",allow_other"
    if c_library.mount(b"clipd-faults", mount_point, b"fuse", 0, options):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(mount_point))


def main() -> None:
    """Mount, say so on standard output, answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backing", type=os.fsencode)
    parser.add_argument("mount_point", type=os.fsencode)
    parser.add_argument("--silent", action="store_true", help="mount, and never answer")
    parser.add_argument("--hang-at", type=int, help="stop when more of a file is read than this")
    parser.add_argument("--fail-at", type=int, help="EIO when more of a file is read than this")
    words = parser.parse_args()
    device = os.open("/dev/fuse", os.O_RDWR)
    _mount(device, words.mount_point)
    print("mounted", flush=True)
    if words.silent:
        os.read(0, 1)  # until standard input is closed
    else:
        Server(device, words.backing, words.hang_at, words.fail_at).serve()


if __name__ == "__main__":
    main()
