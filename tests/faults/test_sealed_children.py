"""A decoder that a picture has taken over, and what it can do then: call by call."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from clipd.decode.decoder import Decoder
from clipd.decode.settings import Settings, Target
from clipd.process.seals import Seals

pytestmark = pytest.mark.slow

# What a decoder may call at all, some with conditions: every other number is tried.
ALLOWED = [
    *("read", "pread64", "readv", "lseek", "write", "close", "dup", "dup2", "dup3", "fcntl"),
    *("fstat", "recvmsg", "recvfrom", "sendmsg", "sendto", "poll", "ppoll", "munmap", "mremap"),
    *("madvise", "brk", "futex", "sched_yield", "sched_getaffinity", "clock_gettime"),
    *("gettimeofday", "time", "getrandom", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn"),
    *("sigaltstack", "restart_syscall", "getpid", "gettid", "getrusage", "exit", "exit_group"),
    *("set_robust_list", "rseq", "mmap", "mprotect", "prlimit64", "setrlimit", "getrlimit"),
    *("clone", "clone3"),
]
HIGH = 1 << 32  # a bit that the kernel does not look at in an int
PROT_RWX, MAP_PRIVATE_ANONYMOUS = 7, 0x22
CLONE_VM, CLONE_THREAD = 0x100, 0x10000


def tried(what: str, calls: list[str]) -> dict[str, str]:
    command = [sys.executable, "-m", "tests.faults.sealed_decoder", what, *calls]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stderr
    seals, found = json.loads(done.stdout)
    if not Seals.from_json(seals).seccomp:
        pytest.skip(f"this machine cannot filter calls: {seals['reason']}")
    outcomes: dict[str, str] = found
    return outcomes


def test_every_call_that_decoding_does_not_need_is_refused() -> None:
    found = tried("all", ALLOWED)
    assert len(found) > 500
    assert set(found.values()) == {"EPERM"}, {
        number: outcome for number, outcome in found.items() if outcome != "EPERM"
    }


@pytest.mark.parametrize("bit", [0, HIGH])
def test_no_call_is_allowed_with_an_argument_that_does_harm(bit: int) -> None:
    own = os.getpid()
    setown_ex, setsig, notify, pipe_size = 15, 10, 1026, 1031
    attempts: list[tuple[str, list[int]]] = [
        ("fcntl", [1, bit | fcntl.F_SETOWN, own]),
        ("fcntl", [1, bit | setown_ex, 0]),
        ("fcntl", [1, bit | setsig, signal.SIGKILL]),
        ("fcntl", [1, bit | fcntl.F_SETFL, fcntl.FASYNC]),
        ("fcntl", [1, bit | fcntl.F_SETLEASE, fcntl.F_RDLCK]),
        ("fcntl", [1, bit | fcntl.F_SETLK, 0]),
        ("fcntl", [1, bit | notify, 0xFF]),
        ("fcntl", [1, bit | pipe_size, 1 << 20]),
        ("fcntl", [1, bit | fcntl.F_ADD_SEALS, 0]),
        ("mmap", [0, 4096, bit | PROT_RWX, MAP_PRIVATE_ANONYMOUS]),
        ("mprotect", [0, 4096, bit | PROT_RWX]),
        ("prlimit64", [own, bit | resource.RLIMIT_CPU]),
        ("prlimit64", [0, bit | resource.RLIMIT_AS]),
        ("setrlimit", [bit | resource.RLIMIT_NOFILE]),
        ("clone", [bit | signal.SIGCHLD]),
        ("clone", [bit | CLONE_VM | signal.SIGCHLD]),
    ]
    found = tried(
        json.dumps(attempts), ["fcntl", "mmap", "mprotect", "prlimit64", "setrlimit", "clone"]
    )
    assert set(found.values()) == {"EPERM"}, found


def test_a_process_cannot_be_started_by_the_call_whose_flags_nobody_can_see() -> None:
    assert set(tried(json.dumps([("clone3", [])]), ["clone3"]).values()) == {"ENOSYS"}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86-64 has a second set of calls")
def test_the_second_set_of_calls_is_no_way_round() -> None:
    script = (
        "import ctypes\n"
        "from clipd.decode.sandbox import seal_decoder\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "held = seal_decoder(1 << 30).seals.seccomp\n"
        "path = ctypes.c_char_p(b'/etc/passwd')\n"
        "done = libc.syscall(0x40000002, path, 0)\n"  # open(2) by its x32 number
        "print(held and done >= 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGSYS or done.stdout.strip() == "False"


def test_a_decoder_cannot_answer_its_own_questions() -> None:
    decoder = Decoder(Settings(Target(2), 1000, 1 << 30, 30.0), 30.0)
    deadline = time.monotonic() + 30.0
    try:
        # It closes what it sent after it has said hello, and before it takes the first photo.
        while len(held := open_in(decoder.pid)) > 2:  # /dev/null and the channel
            assert time.monotonic() < deadline, held
            threading.Event().wait(0.01)
    finally:
        decoder.end()
    assert not [target for target in held if "seccomp" in target]


def open_in(pid: int) -> set[str]:
    folder = f"/proc/{pid}/fd"
    targets = set()
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.add(os.readlink(f"{folder}/{name}"))
    return targets
