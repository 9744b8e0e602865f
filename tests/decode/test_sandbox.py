"""Each test seals a real process and lets it try what it must not do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.decode.conftest import small_pool, two_colours

ATTEMPTS = """
import json, mmap, os, resource, socket, subprocess, sys, threading
from clipd.decode.sandbox import seal
parent = os.getppid()
def as_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
attempts = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "list a folder": lambda: os.listdir("/"),
    "write a file": lambda: os.open("/tmp/clipd-escaped", os.O_WRONLY | os.O_CREAT),
    "remove a file": lambda: os.unlink("/tmp/clipd-never-there"),
    "open a socket": lambda: socket.socket(),
    "fork": lambda: os.fork() or os._exit(0),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "signal the parent": lambda: os.kill(parent, 0),
    "raise its limits": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)),
    "run new code": as_code,
    "take memory": lambda: bytearray(1 << 30),
}
def thread():
    worker = threading.Thread(target=int)
    worker.start()
    worker.join()
allowed = {"start a thread": thread, "take some memory": lambda: bytearray(1 << 20)}
state = seal(512 << 20)
outcomes = {}
for name, attempt in {**attempts, **allowed}.items():
    try:
        attempt()
        outcomes[name] = "done"
    except BaseException as error:
        outcomes[name] = type(error).__name__
print(json.dumps([state.landlock, state.seccomp, state.reason, outcomes]), flush=True)
os._exit(0)
"""


def sealed(before: str = "") -> tuple[bool, bool, str, dict[str, str]]:
    """Run the attempts in a sealed process; `before` runs first, to take something away."""
    done = subprocess.run(
        [sys.executable, "-c", before + ATTEMPTS], capture_output=True, text=True, check=True
    )
    landlock, seccomp, reason, outcomes = json.loads(done.stdout)
    return landlock, seccomp, reason, outcomes


def test_a_sealed_process_can_compute_and_nothing_else() -> None:
    landlock, seccomp, reason, outcomes = sealed()
    if not (landlock and seccomp):
        pytest.skip(f"this machine cannot seal: {reason}")
    done = {name for name, outcome in outcomes.items() if outcome == "done"}
    assert done == {"start a thread", "take some memory"}
    assert outcomes["take memory"] == "MemoryError"


def test_without_libseccomp_landlock_still_holds_the_files_and_says_so() -> None:
    landlock, seccomp, reason, outcomes = sealed("import sys; sys.modules['pyseccomp'] = None\n")
    assert not seccomp
    assert "libseccomp" in reason
    if not landlock:
        pytest.skip(f"this machine has no Landlock: {reason}")
    for attempt in ("read a file", "list a folder", "write a file", "exec"):
        assert outcomes[attempt] == "PermissionError"


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
    landlock, seccomp, reason, outcomes = sealed(no_landlock)
    assert (landlock, seccomp) == (False, True)
    assert "Landlock" in reason
    assert outcomes["read a file"] == "PermissionError"


def test_the_pool_says_what_seals_its_decoders(tmp_path: Path) -> None:
    _, _, reason, _ = sealed()
    photo = tmp_path / "a.png"
    two_colours().save(photo)
    with small_pool() as pool:
        pool.decode_now(os.fsencode(__file__))
        assert pool.sandbox() is None  # no picture: no decoder was needed
        pool.decode_now(os.fsencode(photo))
        state = pool.sandbox()
    assert state is not None
    assert state.reason == reason
