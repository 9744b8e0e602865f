"""Each test seals a real process and lets it try what it must not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipd.process.seals import Seals
from tests.decode.conftest import small_pool, two_colours

ATTEMPTS = """
import ctypes, fcntl, json, mmap, os, resource, socket, sys, threading
from clipd.decode.sandbox import seal_decoder
parent = os.getppid()
reading, writing = os.pipe()
libc = ctypes.CDLL(None, use_errno=True)
def as_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
def abstract():
    socket.socket(socket.AF_UNIX).connect("\\0nobody-listens")
attempts = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "list a folder": lambda: os.listdir("/"),
    "write a file": lambda: os.open("/tmp/clipd-escaped", os.O_WRONLY | os.O_CREAT),
    "remove a file": lambda: os.unlink("/tmp/clipd-never-there"),
    "ask for a file's size": lambda: os.stat("/etc/passwd"),
    "ask whether a file is there": lambda: 1 / os.access("/etc/passwd", os.F_OK),
    "read a link": lambda: os.readlink("/proc/self/exe"),
    "open a socket": lambda: socket.socket(),
    "reach an abstract socket": abstract,
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "signal the parent": lambda: os.kill(parent, 0),
    "have a pipe signal the parent": lambda: fcntl.fcntl(writing, fcntl.F_SETOWN, parent),
    "choose that signal": lambda: fcntl.fcntl(writing, fcntl.F_SETSIG, 9),
    "arm that signal": lambda: fcntl.fcntl(writing, fcntl.F_SETFL, os.O_ASYNC),
    "take a lease": lambda: fcntl.fcntl(reading, fcntl.F_SETLEASE, fcntl.F_RDLCK),
    "lock a file": lambda: fcntl.lockf(writing, fcntl.LOCK_EX | fcntl.LOCK_NB),
    "raise its limits": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)),
    "run new code": as_code,
    "take memory": lambda: bytearray(1 << 30),
}
allowed = {
    "take some memory": lambda: bytearray(1 << 20),
    "copy a descriptor": lambda: os.dup(reading),
}
sealed = seal_decoder(512 << 20)
outcomes = {}
for name, attempt in {**attempts, **allowed}.items():
    try:
        attempt()
        outcomes[name] = "done"
    except BaseException as error:
        outcomes[name] = type(error).__name__
print(json.dumps([sealed.seals.to_json(), outcomes]), flush=True)
os._exit(0)
"""


def sealed(before: str = "") -> tuple[Seals, dict[str, str]]:
    """Run the attempts in a sealed process; `before` runs first, to take something away."""
    done = subprocess.run(
        [sys.executable, "-c", before + ATTEMPTS], capture_output=True, text=True, check=True
    )
    seals, outcomes = json.loads(done.stdout)
    return Seals.from_json(seals), outcomes


def test_a_sealed_process_can_compute_and_nothing_else() -> None:
    seals, outcomes = sealed()
    if not (seals.landlock and seals.seccomp):
        pytest.skip(f"this machine cannot seal: {seals.reason}")
    done = {name for name, outcome in outcomes.items() if outcome == "done"}
    assert done == {"take some memory", "copy a descriptor"}
    assert outcomes["take memory"] == "MemoryError"
    assert seals.warning("the decoders") == ""


def test_without_libseccomp_landlock_still_holds_the_files_and_says_so() -> None:
    seals, outcomes = sealed("import sys; sys.modules['pyseccomp'] = None\n")
    assert not seals.seccomp
    assert "libseccomp" in seals.reason
    if not seals.landlock:
        pytest.skip(f"this machine has no Landlock: {seals.reason}")
    for attempt in ("read a file", "list a folder", "write a file", "exec"):
        assert outcomes[attempt] == "PermissionError"
    if seals.signals:
        assert outcomes["signal the parent"] == "PermissionError"
    assert seals.warning("the decoders") == (
        "not all seals of the decoders hold: all system calls are open"
        " (libseccomp is not installed)"
    )


def test_without_landlock_seccomp_still_holds_and_says_so() -> None:
    no_landlock = (
        "import pyseccomp\n"
        "calls = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)\n"
        "calls.add_rule(pyseccomp.ERRNO(38), 444)\n"
        "calls.load()\n"
    )
    try:
        import pyseccomp  # noqa: F401
    except (ImportError, RuntimeError):
        pytest.skip("libseccomp is not installed")
    seals, outcomes = sealed(no_landlock)
    assert (seals.landlock, seals.signals, seals.seccomp) == (False, False, True)
    assert "files are not closed (the kernel has no Landlock)" in seals.warning("them")
    done = {name for name, outcome in outcomes.items() if outcome == "done"}
    assert done == {"take some memory", "copy a descriptor"}


def test_where_somebody_listens_already_the_other_calls_are_filtered_all_the_same() -> None:
    # As a manager of containers does; the kernel allows one listener for a process.
    listening = (
        "from clipd.process.call_filter import *\n"
        "other = CallFilter((Rule('swapon', answer=ASK),), ALLOW)\n"
        "filter_calls(load_libseccomp(), other)\n"
    )
    seals, outcomes = sealed(listening)
    if not seals.seccomp:
        pytest.skip(f"this machine cannot seal: {seals.reason}")
    assert not seals.threads
    assert "threads are not bounded" in seals.reason
    assert outcomes["ask for a file's size"] == "PermissionError"


def test_the_pool_says_what_seals_its_decoders(tmp_path: Path) -> None:
    here, _ = sealed()
    photo = tmp_path / "a.png"
    two_colours().save(photo)
    with small_pool() as pool:
        pool.decode_now(os.fsencode(__file__))
        assert pool.seals() is None  # no picture: no decoder was needed
        pool.decode_now(os.fsencode(photo))
        assert pool.seals() == here
