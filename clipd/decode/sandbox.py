"""What a decoder may still do once it is sealed: read what it was passed, and answer.

The machinery is `clipd.process.seals`; this is the list.
"""

from __future__ import annotations

import errno
import math
import resource
from typing import Final

from clipd.process.call_filter import ASK, CallFilter, Rule, When, allowed, refused
from clipd.process.seals import Rights, Sealed, seal

_OPEN_FILES: Final = 32  # the channel, one photo, copies of it that libtiff makes
MOST_THREADS: Final = 8  # one, and the one that the HEVC decoder starts

_PROT_EXEC: Final = 4
_CLONE_THREAD: Final = 0x10000
# fcntl(2), by command: F_SETFL, F_SETOWN and F_SETSIG together have the kernel send any signal to
# any process of the user, and leases and locks hold up other programs.
_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC = 0, 1, 2, 3, 1030

# What decoding calls, found by running the corpus under strace and reading glibc. Everything
# else is answered with EPERM rather than by death: a library that probes for a feature (the
# number of cores, huge pages) takes the error and goes on, and a new glibc does not turn every
# photo into a "crash". For an attacker the two are the same: the call does not happen.
# Of the stat family only the ones that cannot take a path: the others would tell which files
# there are, and how large. glibc before 2.39 has no such fstat, so there it fails: Python and
# libtiff take that for a file of unknown size, and read it all the same.
_CALLS: Final[tuple[str, ...]] = (
    *("read", "pread64", "readv", "lseek", "_llseek", "write", "close", "dup", "dup2", "dup3"),
    *("fstat", "fstat64"),
    *("recvmsg", "recvfrom", "sendmsg", "sendto", "poll", "ppoll"),
    *("munmap", "mremap", "madvise", "brk", "futex", "sched_yield", "sched_getaffinity"),
    *("clock_gettime", "clock_gettime64", "gettimeofday", "time", "getrandom"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("getpid", "gettid", "getrusage", "exit", "exit_group", "set_robust_list", "rseq"),
)


def seal_decoder(memory_bytes: int) -> Sealed:
    """Give up every right but reading open descriptors and answering. Cannot be undone.

    Args:
        memory_bytes: bound of the address space; beyond it allocations fail.
    """
    limits = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),  # a core would hold somebody's photo
        (resource.RLIMIT_FSIZE, 0),  # no file grows, whatever is open
    )
    return seal(Rights(calls=CallFilter(_rules(), otherwise=errno.EPERM), limits=limits))


def allow_seconds(seconds: float) -> None:
    """End this process when it computes for longer than this from now (SIGXCPU).

    The parent's deadline is what counts; this is for a decoder whose parent is gone.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
    bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (bound, hard))


def _rules() -> tuple[Rule, ...]:
    return (*allowed(*_CALLS), *_commands(), *_threads(), *_memory(), *_processor_time())


def _commands() -> tuple[Rule, ...]:
    commands = (_F_DUPFD, _F_GETFD, _F_SETFD, _F_GETFL, _F_DUPFD_CLOEXEC)
    return tuple(
        Rule(call, (When(1, command),)) for call in ("fcntl", "fcntl64") for command in commands
    )


def _threads() -> tuple[Rule, ...]:
    # The HEVC decoder starts a thread whatever it is told, and waits for ever where it cannot.
    # glibc asks for it with clone3, whose flags a filter cannot see, and takes clone where the
    # kernel has no clone3. Each is asked for, so that there are never more than `MOST_THREADS`.
    is_thread = When(0, _CLONE_THREAD, _CLONE_THREAD)
    return (*refused("clone3", error=errno.ENOSYS), Rule("clone", (is_thread,), ASK))


def _memory() -> tuple[Rule, ...]:
    # Memory that can be run is what an exploit needs next; nothing that decodes makes any.
    no_code = When(2, 0, _PROT_EXEC)
    return tuple(Rule(call, (no_code,)) for call in ("mmap", "mmap2", "mprotect"))


def _processor_time() -> tuple[Rule, ...]:
    # Limits: of this process only, and for `allow_seconds` only the processor time.
    cpu = resource.RLIMIT_CPU
    return (
        Rule("prlimit64", (When(0, 0), When(1, cpu))),
        Rule("setrlimit", (When(0, cpu),)),
        Rule("getrlimit", (When(0, cpu),)),
    )
