"""Who is at the other end of a Unix socket."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

_UCRED = struct.Struct("3i")  # unix(7): pid, uid, gid


def uid_of(sock: socket.socket) -> int:
    """Return the user id of the process that connected, as the kernel saw it then."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid: int = _UCRED.unpack(credentials)[1]
    return uid


def allowed_uids() -> frozenset[int]:
    """Return who may ask: us and root.

    In a user namespace that maps us alone (systemd's PrivateUsers=) root is seen as the
    overflow id (65534), and so would be any other user; there the modes of the socket and
    its folder, which let only root and us through, are the guard.
    """
    allowed = {os.geteuid(), 0}
    if not _is_everyone_mapped():
        allowed.add(int(_first_line("/proc/sys/kernel/overflowuid")))
    return frozenset(allowed)


def _is_everyone_mapped() -> bool:
    # user_namespaces(7): the initial namespace maps all 4294967295 ids at once.
    return _first_line("/proc/self/uid_map").split()[-1] == "4294967295"


def _first_line(file: str) -> str:
    return Path(file).read_text(encoding="ascii").splitlines()[0]
