"""How long clipctl waits for an answer, and what it says when none comes."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from clipd.ctl.service_advice import FAR_ADVICE, how_to_look, how_to_restart
from clipd.errors import NotRunningError

# A daemon that works answers a ping in milliseconds, whatever else it does.
PING_SECONDS = 5.0
ANSWER_SECONDS = 60.0  # for what takes clipd milliseconds when the machine is free
MODEL_SECONDS = 600.0  # for a search: the largest model off a sleeping disk takes minutes
CHECK_SECONDS = 86400.0  # for a check, as long as the library is large
_NOTICE_SECONDS = 0.3
_UCRED = struct.Struct("3i")  # unix(7): pid, uid, gid


class AnswerWait:
    """Waits for one answer: notices a silence, makes sure that clipd lives, and has an end."""

    def __init__(
        self,
        seconds: float,
        is_alive: Callable[[], bool],
        on_silence: Callable[[], None] | None = None,
        far: Path | None = None,
    ) -> None:
        """Begin to wait.

        Args:
            seconds: when to give up even though clipd lives.
            is_alive: whether clipd answers a ping; asked after each ``PING_SECONDS`` of silence.
            on_silence: called once, after a moment without an answer.
            far: the socket, where it is not that of the user's own daemon.
        """
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._is_alive = is_alive
        self._on_silence = on_silence
        self._far = far

    def applies_to(self, sock: socket.socket) -> None:
        """Bound each call of a socket."""
        left = max(0.001, self._deadline - time.monotonic())
        pause = PING_SECONDS if self._on_silence is None else _NOTICE_SECONDS
        sock.settimeout(min(left, pause))

    def was_tried(self, sock: socket.socket) -> None:
        """Take note of a call that timed out; return if it is worth another try.

        Raises:
            NotRunningError: clipd does not answer a ping, or the time is over.
        """
        if self._on_silence is not None:
            self._on_silence()
            self._on_silence = None
        elif time.monotonic() >= self._deadline or not self._is_alive():
            raise _silence(sock) if self._far is None else _far_silence(self._far)
        self.applies_to(sock)


def _silence(sock: socket.socket) -> NotRunningError:
    """Say that clipd does not answer, and what to do about it."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid = int(_UCRED.unpack(credentials)[0])
    if _state(pid) == "T":
        reason = f"clipd does not answer: pid {pid} is stopped"
        return NotRunningError(reason, f"let it go on with: kill -CONT {pid}")
    reason = f"clipd (pid {pid}) does not answer"
    return NotRunningError(reason, f"{how_to_look()}; {how_to_restart()}")


def _far_silence(far: Path) -> NotRunningError:
    # Whose process listens there says nothing: it may be that of ssh.
    return NotRunningError(f"what listens on {far} does not answer", FAR_ADVICE)


def _state(pid: int) -> str:
    """Return the state of a process as proc(5) has it: T is stopped by a signal."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
