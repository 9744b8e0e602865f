"""Which files a process may still open: landlock(7), without a library.

Landlock holds for the calling thread and what it starts afterwards, so it is for the first
thread of a process, before it starts another.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# The numbers of these calls are the same on every architecture.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

# Kinds of access, linux/landlock.h: the ones that make sense for a file, and the rest.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# How many kinds each version of Landlock knows; a version later than we know gets those of the
# last one, because asking for less is always allowed.
_KINDS: Final = (13, 14, 15, 15, 16)
_NET_ACCESS: Final = 0b11  # bind and connect TCP, version 4
_SCOPES: Final = 0b11  # abstract Unix sockets and signals, version 6
_SCOPES_VERSION: Final = 6


@dataclass(frozen=True, slots=True)
class LandlockState:
    """What Landlock does for this process."""

    version: int  # 0: it holds nothing
    problem: str  # why it does not hold; "" when it does

    @property
    def has_scopes(self) -> bool:
        """Whether no process outside can be signalled, nor reached by an abstract socket."""
        return self.version >= _SCOPES_VERSION


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def restrict_files(readable: Iterable[str], writable: Iterable[str]) -> LandlockState:
    """Deny every path but those given, every TCP port, and signals to processes outside.

    Args:
        readable: files and folders that may be read, with all below them.
        writable: the same, for everything but running what lies there. Devices too.

    Returns:
        What holds. A path that is not there is passed over: nothing there can be opened anyhow.
    """
    version = _libc.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    if version < 1:
        return LandlockState(0, _why_unusable(ctypes.get_errno()))
    kinds = (1 << _KINDS[min(version, len(_KINDS)) - 1]) - 1
    scopes = _SCOPES if version >= _SCOPES_VERSION else 0
    rules = _Ruleset(kinds, _NET_ACCESS if version >= 4 else 0, scopes)
    # An older kernel refuses a structure longer than it knows, unless the rest is zero.
    fd = _libc.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    if fd < 0:
        return LandlockState(0, f"Landlock refused its rules: {_last_error()}")
    try:
        for path in readable:
            _allow(fd, path, (_READ_FILE | _READ_DIR) & kinds)
        for path in writable:
            _allow(fd, path, kinds & ~_EXECUTE)
        problem = _restrict_self(fd)
    finally:
        os.close(fd)
    return LandlockState(0 if problem else version, problem)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            access &= _OF_A_FILE  # the kernel refuses a rule that means nothing
        rule = _PathBeneath(access, fd)
        _libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)


def _restrict_self(ruleset: int) -> str:
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    failed = _libc.syscall(_RESTRICT_SELF, ruleset, 0)
    return f"Landlock cannot be used: {_last_error()}" if failed else ""


def _why_unusable(reason: int) -> str:
    if reason in (errno.ENOSYS, errno.EOPNOTSUPP):
        return "the kernel has no Landlock"
    return f"Landlock cannot be used here: {os.strerror(reason)}"


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())
