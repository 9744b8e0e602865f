"""A network drive whose server can go away and come back: every call to it waits meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.daemon.commands import REPOSITORY

_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Drive:
    """A mount that answers from another folder, as long as it is not hung."""

    mount_point: Path
    backing: Path  # what is written here is what the mount shows
    _server: subprocess.Popen[bytes]

    def hang(self) -> None:
        """Let every call to the mount wait from now on, like a hard NFS mount."""
        self._server.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._server.pid, os.WSTOPPED | os.WNOWAIT)

    def answer(self) -> None:
        """Answer again, also what has waited."""
        self._server.send_signal(signal.SIGCONT)


@contextmanager
def drive(
    mount_point: Path,
    backing: Path,
    *,
    silent: bool = False,
    hang_at: int | None = None,
    fail_at: int | None = None,
) -> Iterator[Drive]:
    """Mount `backing` read-only at `mount_point`; skip where that is not allowed.

    Args:
        silent: never answer, from the first call on: what a start meets when the server is away.
        hang_at: hang, with the call under way, as soon as more of a file is read than this.
        fail_at: what lies beyond this offset of a file cannot be read: EIO.
    """
    backing.mkdir(parents=True, exist_ok=True)
    mount_point.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "tests.faults.fuse_server", str(backing), str(mount_point)]
    words += ["--silent"] * silent
    words += [] if hang_at is None else [f"--hang-at={hang_at}"]
    words += [] if fail_at is None else [f"--fail-at={fail_at}"]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
    ) as server:
        try:
            assert server.stdout is not None
            if not server.stdout.readline():
                assert server.stderr is not None
                reason = server.stderr.read().decode().strip().splitlines()[-1:]
                pytest.skip(f"cannot mount a FUSE file system here: {reason}")
            yield Drive(mount_point, backing, server)
        finally:
            # Killed, it closes /dev/fuse: whoever waits for an answer gets ENOTCONN.
            server.kill()
            subprocess.run(["umount", "-l", str(mount_point)], capture_output=True, check=False)
            server.wait(_GRACE_SECONDS)
