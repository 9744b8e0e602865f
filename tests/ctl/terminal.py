"""clipctl on a terminal, and what it draws there."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ctl.conftest import PATIENCE_SECONDS, Ctl

SHELL = """
python=$1 start=$4
clipctl() { "$python" -P -c "$start" "$@"; }
"""


# A terminal that shows lines only; what shows pictures is in ``tests/ctl/drawing_terminal.py``.
_PLAIN = {"TERM": "xterm", "COLUMNS": "100", "CLIPD_PREVIEW": "off"}


class Terminal:
    """The user's side of a terminal on which a clipctl draws."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._drawn = b""

    def read_until(self, words: bytes) -> None:
        """Read until these words have been drawn, or nothing more can come."""
        while words not in self._drawn and (data := self._read()):
            self._drawn += data

    def read_to_end(self) -> str:
        """Return all that was drawn until clipctl ended."""
        while data := self._read():
            self._drawn += data
        return self._drawn.decode(errors="replace")

    def exit_code(self) -> int:
        """Wait for its end."""
        return self._process.wait(PATIENCE_SECONDS)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:
            return b""  # how Linux says that the other end of a terminal is closed


def typed(ctl: Ctl, lines: str, **environment: str) -> str:
    """Run lines of a shell in which ``clipctl`` is ours, on a terminal of their own.

    Returns:
        all that was drawn.
    """
    here, there = pty.openpty()
    # A session with this terminal: what a window of a terminal emulator is.
    command = ["setsid", "--ctty", "--wait", "sh", "-c", SHELL + lines, "sh", *ctl.command()]
    process = subprocess.Popen(
        command,
        env=ctl.environment() | _PLAIN | environment,
        stdin=there,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    try:
        return Terminal(process, here).read_to_end().replace("\r\n", "\n")
    finally:
        process.kill()
        process.wait()
        os.close(here)


@contextmanager
def on_terminal(ctl: Ctl, *arguments: str, **environment: str) -> Iterator[Terminal]:
    """Run clipctl with standard error on a terminal, in an environment with these variables."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        ctl.command(*arguments),
        env=ctl.environment() | {"TERM": "xterm", "COLUMNS": "100"} | environment,
        stdout=subprocess.DEVNULL,
        stderr=there,
    )
    os.close(there)
    try:
        yield Terminal(process, here)
    finally:
        process.kill()
        process.wait()
        os.close(here)
