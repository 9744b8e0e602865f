"""clipctl with its standard error on a terminal, and what it draws there."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ctl.conftest import PATIENCE_SECONDS, Ctl


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
        return self._drawn.decode()

    def exit_code(self) -> int:
        """Wait for its end."""
        return self._process.wait(PATIENCE_SECONDS)

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, 4096)
        except OSError:
            return b""  # how Linux says that the other end of a terminal is closed


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
