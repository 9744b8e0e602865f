"""Take away what a decoder does not need: files, network, processes, memory without end.

A decoder reads bytes that anybody may have made, with C libraries that have had holes.
So it gives up its rights before the first byte: Landlock (no path can be opened), seccomp
(only the calls on a short list), resource limits. Each works without the others.
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import resource
import signal
from dataclasses import dataclass
from types import ModuleType
from typing import Final

# prctl(2), landlock(7). The numbers of the calls are the same on every architecture.
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE_RULESET: Final = 444
_LANDLOCK_RESTRICT_SELF: Final = 446
_LANDLOCK_CREATE_RULESET_VERSION: Final = 1
# How many kinds of file access each version of Landlock knows (linux/landlock.h); later
# versions than we know get the rights of the last one: asking for less is always allowed.
_FILE_ACCESS_BITS: Final = (13, 14, 15, 15, 16)
_NET_ACCESS: Final = 0b11  # bind and connect TCP, version 4
_SCOPES: Final = 0b11  # abstract Unix sockets and signals, version 6
_OPEN_FILES: Final = 32  # the channel, one photo, copies of it that libtiff makes

_PROT_EXEC: Final = 4
_CLONE_THREAD: Final = 0x10000
# What decoding calls, found by running the corpus under strace and reading glibc. Everything
# else is answered with EPERM rather than by death: a library that probes for a feature (the
# number of cores, huge pages) takes the error and goes on, and a new glibc does not turn every
# photo into a "crash". For an attacker the two are the same: the call does not happen.
_CALLS: Final[tuple[str, ...]] = (
    *("read", "pread64", "readv", "lseek", "write", "close", "dup", "dup2", "dup3", "fcntl"),
    *("fstat", "newfstatat", "fstat64", "fstatat64", "statx", "_llseek"),
    *("recvmsg", "recvfrom", "sendmsg", "sendto", "poll", "ppoll"),
    *("munmap", "mremap", "madvise", "brk", "futex", "sched_yield", "sched_getaffinity"),
    *("clock_gettime", "clock_gettime64", "gettimeofday", "time", "getrandom"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("getpid", "gettid", "getrusage", "exit", "exit_group", "set_robust_list", "rseq"),
)


@dataclass(frozen=True, slots=True)
class SandboxState:
    """What holds a decoder."""

    landlock: bool
    seccomp: bool
    reason: str  # why one of them is missing; "" when both hold


def seal(memory_bytes: int) -> SandboxState:
    """Give up every right but reading open descriptors and answering. Cannot be undone.

    Args:
        memory_bytes: bound of the address space; beyond it allocations fail.

    Returns:
        What holds; where the kernel or libseccomp lack something, the rest still does.
    """
    filters = _find_seccomp()  # reads files and starts ldconfig: before the rest
    _die_with_parent()
    limit_resources(memory_bytes)
    landlock = _landlock()
    seccomp = _seccomp(filters)
    return SandboxState(not landlock, not seccomp, "; ".join(filter(None, (landlock, seccomp))))


def limit_resources(memory_bytes: int) -> None:
    """Bound memory and descriptors; forbid core dumps and writing to files."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),  # a core would hold somebody's photo
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def allow_seconds(seconds: float) -> None:
    """End this process when it computes for longer than this from now (SIGXCPU).

    The parent's deadline is what counts; this is for a decoder whose parent is gone.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (bound, hard))


def _die_with_parent() -> None:
    # The signal comes when the thread ends that started us, which is as long as it needs us.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _find_seccomp() -> ModuleType | None:
    try:
        import pyseccomp
    except (ImportError, RuntimeError):  # RuntimeError: it is there, but not libseccomp
        return None
    module: ModuleType = pyseccomp
    return module


def _seccomp(pyseccomp: ModuleType | None) -> str:
    """Allow only the calls that decoding makes; return why not, "" when done."""
    if pyseccomp is None:
        return "libseccomp is not installed"
    try:
        _load_filter(pyseccomp)
    except OSError as error:
        return f"seccomp cannot be used: {error.strerror}"
    return ""


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def _landlock() -> str:
    """Deny every path, TCP port and outside process; return why not, "" when done."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    if version < 1:
        reason = ctypes.get_errno()
        if reason in (errno.ENOSYS, errno.EOPNOTSUPP):
            return "the kernel has no Landlock"
        return f"Landlock cannot be used here: {os.strerror(reason)}"
    bits = _FILE_ACCESS_BITS[min(version, len(_FILE_ACCESS_BITS)) - 1]
    rules = _Ruleset(
        (1 << bits) - 1, _NET_ACCESS if version >= 4 else 0, _SCOPES if version >= 6 else 0
    )
    # An older kernel refuses a structure longer than it knows, unless the rest is zero.
    fd = libc.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    if fd < 0:
        return f"Landlock refused its rules: {os.strerror(ctypes.get_errno())}"
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    failed = libc.syscall(_LANDLOCK_RESTRICT_SELF, fd, 0)
    problem = os.strerror(ctypes.get_errno())
    os.close(fd)
    return f"Landlock cannot be used: {problem}" if failed else ""


def _load_filter(pyseccomp: ModuleType) -> None:
    calls = pyseccomp.SyscallFilter(defaction=pyseccomp.ERRNO(errno.EPERM))
    for call in _CALLS:
        calls.add_rule(pyseccomp.ALLOW, call)
    # The HEVC decoder starts a thread whatever it is told. glibc asks for it with clone3,
    # whose flags a filter cannot see, and takes clone where the kernel has no clone3.
    calls.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    thread = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD)
    calls.add_rule(pyseccomp.ALLOW, "clone", thread)
    # Memory that can be run is what an exploit needs next; nothing that decodes makes any.
    no_code = pyseccomp.Arg(2, pyseccomp.MASKED_EQ, _PROT_EXEC, 0)
    for call in ("mmap", "mmap2", "mprotect"):
        calls.add_rule(pyseccomp.ALLOW, call, no_code)
    # Limits: this process's own only, and for `allow_seconds` only the processor time.
    for call, number in (("prlimit64", 1), ("setrlimit", 0), ("getrlimit", 0)):
        only_time = pyseccomp.Arg(number, pyseccomp.EQ, resource.RLIMIT_CPU)
        itself = (pyseccomp.Arg(0, pyseccomp.EQ, 0),) if number else ()
        calls.add_rule(pyseccomp.ALLOW, call, *itself, only_time)
    calls.load()
