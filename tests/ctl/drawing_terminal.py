"""clipctl in the window of a terminal that draws, and answers what it is asked."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.ctl.conftest import PATIENCE_SECONDS, Ctl
from tests.ctl.screen import CELL, Screen
from tests.ctl.terminal import SHELL

Kind = Literal["kitty", "plain", "silent"]
_YES, _DA1 = b"\x1b_Gi=31;OK\x1b\\", b"\x1b[?62;c"
# As in kitty's own windows: where much else runs, who answers at once may be late all the same.
_HINT = {"KITTY_WINDOW_ID": "1"}


@dataclass
class DrawingTerminal:
    """A window, and what its terminal is able to do.

    Attributes:
        kind: "kitty" has kitty's protocol, "plain" has not, "silent" answers nothing.
        delay: seconds from a question to its answer.
        tells_pixels: whether it says how large its cells are.
        is_blind: whether it only reads, and draws nothing.
        typed: what somebody types before the first command has drawn anything.
        during: called after each piece that was drawn.
    """

    columns: int = 80
    rows: int = 40
    kind: Kind = "kitty"
    delay: float = 0.0
    tells_pixels: bool = True
    is_blind: bool = False
    typed: bytes = b""
    during: Callable[[DrawingTerminal], None] = lambda _: None
    screen: Screen = field(init=False)
    raw: bytes = b""
    exit_code: int | None = None
    process: subprocess.Popen[bytes] | None = None
    here: int = -1

    def __post_init__(self) -> None:
        self.screen = Screen(self.columns, self.rows)

    def run(self, ctl: Ctl, lines: str, **environment: str) -> Screen:
        """Run lines of a shell in which ``clipctl`` is ours; return what it has drawn."""
        self.here, there = pty.openpty()
        self.resize(self.columns)
        command = ["setsid", "--ctty", "--wait", "sh", "-c", SHELL + lines, "sh", *ctl.command()]
        self.process = subprocess.Popen(
            command,
            env=ctl.environment() | {"TERM": "xterm-256color"} | self._hints() | environment,
            stdin=there,
            stdout=there,
            stderr=there,
        )
        os.close(there)
        try:
            self.type(self.typed)
            self._follow()
            self.exit_code = self.process.wait(PATIENCE_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.here)
        return self.screen

    def _hints(self) -> dict[str, str]:
        return _HINT if self.kind == "kitty" and not self.delay else {}

    def resize(self, columns: int) -> None:
        """Give the window another width."""
        pixels = (columns * CELL[0], self.rows * CELL[1]) if self.tells_pixels else (0, 0)
        size = struct.pack("4H", self.rows, columns, *pixels)
        fcntl.ioctl(self.here, termios.TIOCSWINSZ, size)
        self.screen.columns = columns

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.here, keys)

    def send(self, number: int) -> None:
        """Send a signal to what runs in the foreground."""
        os.killpg(os.tcgetpgrp(self.here), number)

    def _follow(self) -> None:
        """Draw what comes, and answer in time, until the other side is closed."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        answers: list[tuple[float, bytes]] = []
        while time.monotonic() < deadline:
            due = answers[0][0] - time.monotonic() if answers else PATIENCE_SECONDS
            if select.select([self.here], [], [], max(0.0, due))[0]:
                try:
                    piece = os.read(self.here, 1 << 16)
                except OSError:
                    piece = b""  # how Linux says that the other end of a terminal is closed
                if not piece:
                    break
                asked_before = self._asked()
                self.raw += piece
                if not self.is_blind:
                    self.screen.write(piece)
                due_at = time.monotonic() + self.delay
                answers += [(due_at, each) for each in (self._asked() - asked_before).elements()]
                self.during(self)
            while answers and answers[0][0] <= time.monotonic():
                os.write(self.here, answers.pop(0)[1])
        else:
            raise AssertionError(f"it did not end: {self.raw[-500:]!r}")
        self.screen.close()

    def _asked(self) -> Counter[bytes]:
        """Return the answers to all that was asked so far; a question may come in two pieces."""
        if self.kind == "silent":
            return Counter()
        yes = self.raw.count(b"a=q") if self.kind == "kitty" else 0
        return Counter({_YES: yes, _DA1: self.raw.count(b"\x1b[c")})
