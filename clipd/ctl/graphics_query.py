"""Whether the terminal draws pictures in kitty's protocol: by its name, else by asking it once."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from clipd.ctl.hit_list import PLAIN_TERMINALS
from clipd.ctl.last_list import lists_folder, terminal_name
from clipd.ctl.output import emit

# Programs started from a terminal inherit its other variables, but every terminal sets TERM.
_KNOWN_NAMES = ("xterm-kitty", "xterm-ghostty")
_HINTS = ("KITTY_WINDOW_ID", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "KONSOLE_VERSION")
# A terminal in the terminal keeps pictures from it, or loses track of where they are.
_INNER_TERMINALS = ("TMUX", "STY", "ZELLIJ")
_INNER_NAMES = ("tmux", "screen")

# A picture of one pixel that is not to be shown, then what every terminal answers (DA1); and an
# empty line, since old terminals write what they do not know.
QUERY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c\r\x1b[K"
ANSWER = b"\x1b_Gi=31;OK\x1b\\"
_END = re.compile(rb"\x1b\[\?[0-9;]*c")
_ANSWER_SECONDS = 0.1
_LATE_SECONDS = 1.0  # an answer that comes later is typed into the shell
_LFLAG, _CC = 3, 6  # in what tcgetattr returns


@contextmanager
def kitty_graphics(environment: Mapping[str, str] = os.environ) -> Iterator[bool]:
    """Yield whether the terminal has kitty's protocol.

    An answer that comes late is waited for when the block ends, so that it is not taken for
    something that somebody typed; it counts the next time.
    """
    known = _known(environment)
    if known is not None:
        yield known
        return
    with ExitStack() as asking:
        query = asking.enter_context(_asking())
        if query is None:
            yield False
            return
        if not query.is_open:
            asking.close()  # the terminal is as it was while the list is drawn
        try:
            is_likely = any(hint in environment for hint in _HINTS)
            yield query.is_yes or (query.is_open and is_likely)
        finally:
            query.wait(_LATE_SECONDS)
    _remember(is_yes=query.is_yes or (query.is_open and is_likely))


def _known(environment: Mapping[str, str]) -> bool | None:
    """Tell what need not be asked; None where it has to be."""
    name = environment.get("TERM", "dumb")
    is_inner = any(variable in environment for variable in _INNER_TERMINALS)
    if is_inner or name.startswith(_INNER_NAMES) or name in PLAIN_TERMINALS:
        return False
    if name in _KNOWN_NAMES:
        return True
    return _remembered() if _is_ours() else False


def _is_ours() -> bool:
    """Whether we may read what the terminal answers: it is one, and we are in its foreground."""
    try:
        here, there = sys.stdin.fileno(), sys.stdout.fileno()
        is_one = os.isatty(here) and os.fstat(here).st_rdev == os.fstat(there).st_rdev
        return is_one and os.tcgetpgrp(here) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed
        return False


class _Query:
    """A question that was sent to the terminal, and what it has answered so far."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sent_at = time.monotonic()
        self._answer = b""

    @property
    def is_yes(self) -> bool:
        """Whether the terminal has said that it has the protocol."""
        return ANSWER in self._answer

    @property
    def is_open(self) -> bool:
        """Whether its answer has not ended yet."""
        return _END.search(self._answer) is None

    def wait(self, seconds: float) -> None:
        """Wait for the end of the answer until so long after the question."""
        while self.is_open and (left := self._sent_at + seconds - time.monotonic()) > 0:
            if select.select([self._descriptor], [], [], left)[0]:
                piece = os.read(self._descriptor, 1024)
                if not piece:
                    return  # the terminal is gone
                self._answer += piece


@contextmanager
def _asking() -> Iterator[_Query | None]:
    """Ask the terminal, which shows nothing of the answer, and is as it was after the block.

    Where somebody has typed ahead, nothing is asked: what is read could not be given back.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = [*before[:_CC], list(before[_CC])]
    quiet[_LFLAG] &= ~(termios.ICANON | termios.ECHO)
    quiet[_CC][termios.VMIN], quiet[_CC][termios.VTIME] = 1, 0
    with _ended_by_signals():
        try:
            termios.tcsetattr(descriptor, termios.TCSANOW, quiet)
            if select.select([descriptor], [], [], 0)[0]:
                yield None
                return
            emit(QUERY)
            query = _Query(descriptor)
            query.wait(_ANSWER_SECONDS)
            yield query
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, before)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have signals end the block as an exception does, so that it can tidy up."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _remembered() -> bool | None:
    try:
        return _memory().read_bytes() == b"yes"
    except OSError:
        return None


def _remember(*, is_yes: bool) -> None:
    """Keep the answer for as long as the window is open; without it, the terminal is asked anew."""
    with suppress(OSError):
        memory = _memory()
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        memory.write_bytes(b"yes" if is_yes else b"no")


def _memory() -> Path:
    # Dropped together with the lists of windows that are closed, by the start of its name.
    return lists_folder() / f"{terminal_name()}.graphics"
