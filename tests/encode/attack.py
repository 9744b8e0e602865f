"""Run as a program: seal this process as the encoder does, then try to get out, call by call.

Prints what succeeded, one word a line, and nothing when all is refused.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from clipd.encode.child_rights import seal_model_reader

_SECCOMP_OF_THIS_PROCESS = "/proc/self/status"
_PTRACE, _PROCESS_VM_READV, _IO_URING_SETUP, _BPF = 101, 310, 425, 321  # on x86-64
_CLONE3 = 435


def attacks(parent: int, model: Path, outside: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name what an attacker would do, with the call that does it."""
    yield "read a photo", lambda: outside.read_bytes()
    yield "list its folder", lambda: os.listdir(outside.parent)
    yield "read /etc/passwd", lambda: Path("/etc/passwd").read_bytes()
    yield "read another process's command line", lambda: Path(f"/proc/{parent}/cmdline").read_text()
    yield "write beside the photo", lambda: (outside.parent / "new").write_bytes(b"x")
    yield "change the weights", lambda: model.write_bytes(b"x")
    yield "delete the weights", lambda: model.unlink()
    yield "rename the weights", lambda: model.rename(model.with_name("other"))
    yield "chmod the photo", lambda: os.chmod(outside, 0o777)
    yield "touch the photo", lambda: os.utime(outside, (1, 1))
    yield "truncate the photo", lambda: os.truncate(outside, 0)
    yield "tag the photo", lambda: os.setxattr(outside, "user.x", b"1")
    yield "open a TCP socket", lambda: socket.socket(socket.AF_INET).close()
    yield "open a UDP socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    yield "open a Unix datagram socket", lambda: _unix(socket.SOCK_DGRAM).close()
    yield "open a raw Unix socket", lambda: _unix(socket.SOCK_RAW).close()
    yield "open a vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    yield "reach a socket by its path", lambda: _unix().connect(str(outside.parent / "socket"))
    yield "reach an abstract socket", lambda: _unix().connect(f"\0clipd-tests-{parent}")
    yield "let somebody in", _let_in
    yield "open a netlink socket", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()
    yield "run a program", lambda: subprocess.run(["/bin/true"], check=True)
    yield "fork", _fork
    yield "signal the parent", lambda: os.kill(parent, signal.SIGCONT)
    yield "signal its own group", lambda: os.kill(0, signal.SIGCONT)
    yield "hold the parent by pidfd", lambda: os.pidfd_open(parent)
    yield "limit the parent", lambda: resource.prlimit(parent, resource.RLIMIT_CPU)
    yield "slow the parent down", lambda: os.setpriority(os.PRIO_PROCESS, parent, 19)
    yield "have a pipe signal the parent", lambda: fcntl.fcntl(0, 8, parent)
    yield "choose the signal of a pipe", lambda: fcntl.fcntl(0, 10, int(signal.SIGKILL))
    yield "take a lease", lambda: fcntl.fcntl(0, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    yield "type into the terminal", lambda: fcntl.ioctl(2, termios.TIOCSTI, b"x")
    yield "trace the parent", lambda: _call(_PTRACE, 16, parent, 0, 0)
    yield "read the parent's memory", lambda: _call(_PROCESS_VM_READV, parent, 0, 0, 0, 0, 0)
    yield "use io_uring", lambda: _call(_IO_URING_SETUP, 1, 0)
    yield "load a BPF program", lambda: _call(_BPF, 0, 0, 0)
    yield "leave by a namespace", lambda: _call(272, 0x10000000)


def needs(model: Path, cache: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Name what the encoder has to be able to do, with the call that does it."""
    yield "read the weights", lambda: model.read_bytes()
    yield "note a precision", lambda: (cache / "precision" / "note").write_bytes(b"x")
    yield "make a temporary file", lambda: tempfile.TemporaryFile().close()
    yield "count the cores", lambda: Path("/proc/cpuinfo").read_text()
    yield "start a thread", _thread
    yield "make code", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    yield "know its own limits", lambda: resource.getrlimit(resource.RLIMIT_STACK)
    yield "import a library", lambda: __import__("xml.dom.minidom")


def needs_of_cuda() -> Iterator[tuple[str, Callable[[], object]]]:
    """Name what only CUDA has to be able to do, and only an encoder that uses it may."""
    name = Path("/proc/self/task", str(os.getpid()), "comm")
    yield "open a Unix socket", lambda: _unix(socket.SOCK_STREAM).close()
    yield "listen at an abstract socket", lambda: _listening().close()
    yield "name its threads", lambda: name.write_text("cuda")


def _unix(kind: int = socket.SOCK_SEQPACKET) -> socket.socket:
    return socket.socket(socket.AF_UNIX, kind)


def _listening() -> socket.socket:
    listening = _unix()
    listening.setblocking(False)
    listening.bind(f"\0cuda-uvmfd-{os.getpid()}")
    listening.listen()
    return listening


def _let_in() -> None:
    with suppress(BlockingIOError):  # nobody there yet: it was allowed to look
        _listening().accept()


def _thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def _call(number: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        reason = ctypes.get_errno()
        if reason in (1, 38):  # EPERM, ENOSYS; others mean that the call was looked at
            raise PermissionError(reason, os.strerror(reason))


def main() -> None:
    """Take the folder that holds all, and the process that must not be reached."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    model, cache = folder / "model" / "weights.safetensors", folder / "cache"
    with_cuda = "with-cuda" in sys.argv
    seals = seal_model_reader(str(model), cache, with_cuda=with_cuda)
    for what, call in attacks(parent, model, folder / "photos" / "a.jpg"):
        if _succeeds(call):
            print(f"could {what}")
    for what, call in needs(model, cache):
        if not _succeeds(call):
            print(f"cannot {what}")
    for what, call in needs_of_cuda():
        if _succeeds(call) != with_cuda:
            print(f"{'cannot' if with_cuda else 'could'} {what}")
    print(f"{int(seals.landlock)}{int(seals.seccomp)} {seals.reason}")


def _succeeds(call: Callable[[], object]) -> bool:
    try:
        call()
    except (OSError, subprocess.SubprocessError):
        return False
    return True


if __name__ == "__main__":
    main()
