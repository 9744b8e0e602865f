"""What a child that loads models may still do once it is sealed.

It runs large libraries over weights and texts that others made. To be called before those
libraries are imported: they start threads, and a seal holds only for threads that come later.
The machinery is `clipd.process.seals`; this is the list.

CUDA is left possible where it is wanted: the device files of GPUs are open, ioctl(2) on them is not
filtered, and it may do the two odd things without which it gives up with its error 304: write the
names of its own threads into /proc, and listen at an abstract Unix socket (``cuda-uvmfd-...``), by
which it would pass on its memory to other processes. Nobody can be reached by one, nor let in.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Final

from clipd.process.call_filter import ALLOW, CallFilter, Rule, When, refused
from clipd.process.seals import Rights, Seals, seal

# Libraries of the system, and how the dynamic linker finds them. Globs.
_LIBRARIES: Final = (
    *("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec"),
    *("/usr/local/lib", "/usr/local/lib64", "/usr/local/cuda*", "/opt/rocm*"),
    "/usr/local/nvidia",  # where containers find the driver
    *("/nix/store", "/run/opengl-driver", "/etc/ld.so.*", "/etc/localtime", "/usr/share/libdrm"),
)
# What the libraries read of the machine: how many cores and how much memory, which GPUs. Of
# other processes nothing: /proc as a whole would show their command lines.
_MACHINE: Final = (
    *("/sys", "/proc/self", "/proc/sys", "/proc/driver", "/proc/cpuinfo", "/proc/meminfo"),
    *("/proc/stat", "/proc/devices", "/proc/modules", "/proc/filesystems", "/proc/version"),
    *("/dev/random", "/dev/urandom"),
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/nvidia*", "/dev/kfd", "/dev/dri", "/dev/dxg")

_CUDA_WRITES: Final = ("/proc/self/task",)  # the names of its threads, each a file `comm`

_CLONE_THREAD: Final = 0x10000
_SETTING_COMMANDS: Final = (8, 10, 15, 1024, 1026)  # F_SETOWN, _SETSIG, _SETOWN_EX, leases, notes
_TERMINAL_REQUESTS: Final = (0x5412, 0x541C, 0x5452, 0x8901, 0x8902)  # TIOCSTI, owners of signals

# torch and CUDA make too many calls to list those that are needed, and other ones with each
# version. So these are the ones that nothing here needs: ways out of the process, to others, to
# the network, into the kernel. What opens a file by its path is left to Landlock.
_REFUSED: Final[tuple[str, ...]] = (
    *("accept", "accept4"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register"),  # makes calls past this filter
    *("execve", "execveat", "fork", "vfork"),
    *("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    *("pidfd_open", "pidfd_getfd", "pidfd_send_signal"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp"),
    *("shmget", "shmat", "shmctl", "semget", "semop", "semctl", "msgget", "msgsnd", "msgrcv"),
    *("mq_open", "mq_unlink", "add_key", "request_key", "keyctl"),
    *("bpf", "perf_event_open", "userfaultfd", "fanotify_init", "fanotify_mark", "inotify_init1"),
    *("mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "fsopen", "fsmount"),
    *("fsconfig", "fspick", "move_mount", "open_tree", "mount_setattr", "swapon", "swapoff"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    *("iopl", "ioperm", "modify_ldt", "personality", "acct", "quotactl", "syslog", "vhangup"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname"),
    *("setdomainname", "open_by_handle_at", "name_to_handle_at", "setpriority", "ioprio_set"),
    # Landlock leaves these open for every path.
    *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "truncate"),
    *("setxattr", "lsetxattr", "removexattr", "lremovexattr", "utime", "utimes", "futimesat"),
    *("utimensat",),
)


def seal_model_reader(
    checkpoint: str,
    cache: Path,
    *,
    readable: Sequence[str] = (),
    writable: Sequence[str] = (),
    with_cuda: bool = False,
) -> Seals:
    """Give up the network, other programs and all files but libraries and one model's.

    Args:
        checkpoint: the file of the weights; "" for none.
        cache: the folder in which notes may be kept.
        readable: what else may be read, files and folders.
        writable: what else may be written.
        with_cuda: whether CUDA will be used, which needs a little more.
    """
    devices = [path for pattern in _DEVICES for path in glob(pattern)]
    rights = Rights(
        calls=CallFilter(tuple(_rules(with_cuda)), otherwise=ALLOW),
        readable=(*_libraries(), *_MACHINE, *_model_files(checkpoint), *readable),
        writable=(
            *(*devices, *_notes(cache), _scratch(cache), *writable),
            *(_CUDA_WRITES if with_cuda else ()),
        ),
        limits=((resource.RLIMIT_CORE, 0),),  # a core would hold somebody's photos
    )
    # No program can be run: without this, libraries find a compiler and fail to start it.
    os.environ["PATH"] = "/nonexistent"
    return seal(rights).seals


def _libraries() -> Iterator[str]:
    for pattern in _LIBRARIES:
        yield from glob(pattern)
    folders = [*sys.path, *os.environ.get("LD_LIBRARY_PATH", "").split(":")]
    folders += [f"{prefix}/lib" for prefix in (sys.prefix, sys.base_prefix)]
    home = os.path.expanduser("~") + "/"
    for folder in folders:
        # An entry that holds the home folder would open all that is in it.
        if os.path.isabs(folder) and not home.startswith(folder.rstrip("/") + "/"):
            yield folder


def _model_files(checkpoint: str) -> Iterator[str]:
    if checkpoint:
        yield checkpoint
        yield str(Path(checkpoint).with_suffix(".json"))  # its architecture
        yield str(Path(checkpoint).parent / "tokenizer")


def _notes(cache: Path) -> Iterator[str]:
    """Name the folders for notes, made now because a sealed process cannot make them."""
    for name in ("precision", "cuda"):
        with suppress(OSError):  # what would be noted is found out again
            (cache / name).mkdir(parents=True, exist_ok=True)
            yield str(cache / name)
    os.environ["CUDA_CACHE_PATH"] = str(cache / "cuda")  # in place of ~/.nv


def _scratch(cache: Path) -> str:
    """Make an empty folder for temporary files of this process: torch wants one when imported.

    Sealed, a process cannot remove its own: each removes those of others that have ended.
    """
    ours = cache / "scratch" / str(os.getpid())
    try:
        ours.parent.mkdir(mode=0o700, exist_ok=True)
        for left in ours.parent.iterdir():
            if left == ours or not Path("/proc", left.name).exists():
                shutil.rmtree(left, ignore_errors=True)
        ours.mkdir(mode=0o700)
    except OSError:  # a cache on a full disk
        ours = Path(tempfile.mkdtemp(prefix="clipd-"))
    tempfile.tempdir = os.environ["TMPDIR"] = str(ours)
    return str(ours)


def _rules(with_cuda: bool) -> Iterator[Rule]:
    yield from refused(*_REFUSED)
    yield from _rules_of_cuda_sockets() if with_cuda else refused("socket", "bind", "listen")
    # "Nobody there" is what libraries expect of a socket that they would like to find.
    yield from refused("connect", error=errno.ECONNREFUSED)
    # glibc asks for a thread with clone3, whose flags a filter cannot see, and takes clone where
    # the kernel has no clone3. Without the flag it would be a process.
    yield from refused("clone3", error=errno.ENOSYS)
    yield Rule("clone", (When(0, 0, _CLONE_THREAD),), errno.EPERM)
    for command in _SETTING_COMMANDS:
        yield Rule("fcntl", (When(1, command),), errno.EPERM)
    for request in _TERMINAL_REQUESTS:
        yield Rule("ioctl", (When(1, request),), errno.EPERM)
    # Limits of this process (0) may be read and set, of others not: any bit makes it another.
    for bit in range(31):
        yield Rule("prlimit64", (When(0, 1 << bit, 1 << bit),), errno.EPERM)


def _rules_of_cuda_sockets() -> Iterator[Rule]:
    """Refuse all sockets but Unix ones that need a connection, which cannot be had.

    Those have domain 1 and type 1 or 5 (``SOCK_STREAM``, ``SOCK_SEQPACKET``) with flags above the
    lowest four bits. One of type 2 (``SOCK_DGRAM``) would reach others without a connection.
    """
    for bit in range(1, 31):
        yield Rule("socket", (When(0, 1 << bit, 1 << bit),), errno.EPERM)
    yield Rule("socket", (When(0, 0, 1),), errno.EPERM)
    yield Rule("socket", (When(1, 0, 1),), errno.EPERM)
    for bit in (1, 3):
        yield Rule("socket", (When(1, 1 << bit, 1 << bit),), errno.EPERM)
