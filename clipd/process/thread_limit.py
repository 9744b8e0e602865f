"""A bound on the threads of a sealed child, kept by its parent.

RLIMIT_NPROC counts all processes of the user and does not bind root, and a seccomp filter cannot
count. So the child's filter hands the call that starts a thread to us (`call_filter.ASK`), and
we let it pass while the child has few (seccomp_unotify(2)). An answer takes 0.2 ms.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import threading
from typing import Final

# linux/seccomp.h: struct seccomp_notif (id, pid, flags, the call) and seccomp_notif_resp.
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_QUESTION_BYTES: Final = 80
_QUESTION_ID: Final = struct.Struct("=Q")
_ANSWER: Final = struct.Struct("=QqiI")  # id, return value, error, flags
# The kernel goes on with the call that it has stopped. Right for clone(2), whose flags are in
# registers; a call that points at memory could be changed after we looked.
_CONTINUE: Final = 1
_JOIN_SECONDS: Final = 1.0


class ThreadLimit:
    """Answers one child's questions, on a thread of its own, until the child is gone."""

    def __init__(self, listener: int, pid: int, most: int) -> None:
        """Begin to answer.

        Args:
            listener: from the child (`clipd.process.seals.Sealed`); closed by this object.
            pid: the child.
            most: threads that it may have at once, its first one included.
        """
        self._listener = listener
        self._tasks = f"/proc/{pid}/task"
        self._most = most
        name = f"{threading.current_thread().name}-threads"
        # A daemon thread, because a child may hang in the kernel and outlive its killing.
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread, which is soon after the end of the child."""
        self._thread.join(_JOIN_SECONDS)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        try:
            while True:
                ((_, events),) = poll.poll()
                if not events & select.POLLIN:  # nobody is left whom the filter holds
                    return
                self._answer_one()
        finally:
            os.close(self._listener)

    def _answer_one(self) -> None:
        question = bytearray(_QUESTION_BYTES)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, question)
            (number,) = _QUESTION_ID.unpack_from(question)
            has_room = len(os.listdir(self._tasks)) < self._most
            answer = (0, _CONTINUE) if has_room else (-errno.EAGAIN, 0)
            fcntl.ioctl(self._listener, _SEND, _ANSWER.pack(number, 0, *answer))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):  # ENOENT: it died meanwhile
                raise
