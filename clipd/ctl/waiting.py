"""Waiting for the daemon to be done, with progress."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque

from clipd.ctl.client import Client
from clipd.ctl.output import draw_line, erase_line, is_lively, say
from clipd.json_types import JsonObject

FIRST_POLL_SECONDS = 0.05
POLL_SECONDS = 0.5
LINE_SECONDS = 10.0
RATE_SECONDS = 15.0
_AT_REST = ("idle", "paused", "resting")


def number(state: JsonObject, key: str) -> int:
    """Take a count out of the daemon's state; 0 when it is not there."""
    value = state.get(key, 0)
    return value if isinstance(value, int) else 0


def wait_until_idle(client: Client) -> JsonObject:
    """Return the state once nothing waits to be indexed; show progress on stderr until then."""
    meter = Meter()
    screen = progress_screen()
    pause = threading.Event()
    seconds = FIRST_POLL_SECONDS
    try:
        while not is_done(state := client.get("/v1/status")):
            meter.take(state, time.monotonic())
            screen.show(str(meter), meter.done, meter.total)
            pause.wait(seconds)
            seconds = min(seconds * 1.5, POLL_SECONDS)
    finally:
        screen.clear()
    return state


def is_done(state: JsonObject) -> bool:
    """Whether all is indexed; a daemon that is paused with changes waiting is not done."""
    return state.get("state") in _AT_REST and not number(state, "backlog")


class Meter:
    """Progress out of a series of states: what is done, how fast, how long to go."""

    def __init__(self) -> None:
        self.state = ""
        self.done = 0
        self.total = 0
        self.rate = 0.0  # a second; 0 while unknown
        self._next_model = ""  # how far it is, in words
        self._before: JsonObject | None = None
        self._left = 0  # the backlog, as far as it was seen to shrink
        self._encoded = 0
        self._recent: deque[tuple[float, int]] = deque()

    def take(self, state: JsonObject, now: float) -> None:
        """Take note of a state, at a time of a clock that never goes back."""
        before = self._before or state
        self._before = state
        # A rename leaves the backlog without being encoded; what was encoded shows even where
        # the backlog grew meanwhile. Both go back when the daemon starts anew.
        self._left += max(0, number(before, "backlog") - number(state, "backlog"))
        self._encoded += max(0, number(state, "encoded") - number(before, "encoded"))
        self.done = max(self._left, self._encoded)
        self.total = self.done + number(state, "backlog")
        self.state = str(state.get("state"))
        self._next_model = _next_model_words(state)
        self._recent.append((now, self.done))
        while now - self._recent[0][0] > RATE_SECONDS and len(self._recent) > 2:
            self._recent.popleft()
        then, done_then = self._recent[0]
        self.rate = (self.done - done_then) / (now - then) if now > then else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at this rate; None while unknown."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def __str__(self) -> str:
        """Return the progress in words."""
        if not self.total:
            return self._next_model or self.state
        words = f"{self.state}: {self.done:,} of {self.total:,}"
        if self.state == "paused":
            return f"{words}; go on with: clipctl resume"
        if self.state == "resting":
            return f"{words}; goes on when plugged in"
        if self.state == "waiting":
            return f"{words}; the model is missing, see: clipctl status"
        left = self.seconds_left
        return words if left is None else f"{words}, {self.rate:.0f}/s, {clock(left)} left"


def next_model(state: JsonObject) -> JsonObject | None:
    """Return what the state of the daemon tells of the model that is to be used next."""
    used = state.get("model")
    following = used.get("next") if isinstance(used, dict) else None
    return following if isinstance(following, dict) else None


def _next_model_words(state: JsonObject) -> str:
    following = next_model(state)
    if following is None:
        return ""
    words = f"{following.get('name')}: {number(following, 'photos'):,} of"
    left = number(following, "seconds_left")
    return f"{words} {number(following, 'of'):,} photos" + (f", {clock(left)} left" if left else "")


def clock(seconds: float) -> str:
    """Write a duration as ``1:05`` or ``2:03:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class ProgressBar:
    """One line of a terminal, drawn over and over."""

    def __init__(self) -> None:
        self._is_drawn = False

    def show(self, words: str, done: int, total: int) -> None:
        """Draw it anew."""
        import shutil  # here, because every command would wait 2 ms for it

        room = shutil.get_terminal_size().columns - len(words) - 4
        bar = ""
        if room >= 10 and total:
            filled = min(room, 40) * done // total
            bar = f"[{'#' * filled}{'.' * (min(room, 40) - filled)}] "
        self._is_drawn = True
        draw_line(bar + words)

    def clear(self) -> None:
        """Leave an empty line."""
        if self._is_drawn:
            erase_line()


class ProgressLog:
    """A line now and then, for a log."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_SECONDS
        self._last = ""

    def show(self, words: str, done: int, total: int) -> None:
        """Say it, unless the last time was just now."""
        if time.monotonic() >= self._next and words != self._last:
            self._last = words
            self._next = time.monotonic() + LINE_SECONDS
            say(self._last)

    def clear(self) -> None:
        """Leave the lines where they are."""


def progress_screen() -> ProgressBar | ProgressLog:
    """Return what shows progress on stderr: a bar on a terminal, else lines."""
    return ProgressBar() if is_lively(sys.stderr) else ProgressLog()
