"""Child processes: started with one channel, ended for certain."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from clipd.process.channel import Channel
from clipd.process.spawner import Program, start

_log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG: Final = 1
_DYING_SECONDS: Final = 3.0  # a stop, which is to be over in ten, may have to wait it out


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when the *thread* ends that started it.

    For the child to call, first thing. prctl(2) says thread and not process: inside of a
    `clipd.process.spawner.spawning` block, that is the thread of the block.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def _give_way(pid: int, nice: int) -> None:
    """Lower the priority of a child that has just been started: its threads will inherit it.

    The disk follows: without a class of its own, a process reads with the I/O priority that its
    niceness stands for (ioprio_set(2)). Not the idle class, which may wait for ever.
    """
    with suppress(OSError):  # it has ended already, or the system does not let us
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + nice)


class Child:
    """A Python child process that runs one of our modules and talks over channels.

    The module is started as ``python -P -m MODULE FD [FD ...] ARGUMENTS``, a descriptor a lane.
    ``-P`` keeps the current folder, which may be full of somebody's files, out of the import path.
    A child sees the end of its lanes when clipd dies, so that none is left behind.
    It gives way to clipd, which answers, by ``nice`` levels (sched(7)).
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        lanes: int = 1,
        environment: Mapping[str, str] | None = None,
        nice: int = 0,
    ) -> None:
        pairs = [socket.socketpair() for _ in range(lanes)]
        theirs = [there.fileno() for _, there in pairs]
        try:
            self._process = start(Program(module, arguments, environment or {}), theirs)
        except BaseException:
            for here, _ in pairs:
                here.close()
            raise
        finally:
            for _, there in pairs:
                there.close()
        _give_way(self.pid, nice)
        self.lanes: tuple[Channel, ...] = tuple(Channel(here) for here, _ in pairs)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def stop(self, grace_seconds: float = 2.0) -> int:
        """Close the lanes, wait, kill if needed; return the exit status (negative: a signal)."""
        for lane in self.lanes:
            lane.close()
        try:
            return self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self, dying_seconds: float = _DYING_SECONDS) -> int:
        """End the process at once, reap it, close the lanes; return the exit status.

        Args:
            dying_seconds: how long it may take; it is reaped later where its disk holds it.
        """
        if self.is_alive():
            self._process.send_signal(signal.SIGKILL)
        try:
            status = self._process.wait(dying_seconds)
        except subprocess.TimeoutExpired:
            # It is in a system call that nothing ends, such as reading from a network drive whose
            # server is gone. The signal stays: it ends when the call does, or with clipd.
            _log.warning("process %d does not end: its disk does not answer", self.pid)
            self._reap_later()
            status = -signal.SIGKILL
        for lane in self.lanes:
            lane.close()
        return status

    def _reap_later(self) -> None:
        # A daemon thread: clipd may end before the disk answers, and the system reaps then.
        reaper = threading.Thread(target=self._process.wait, name="clipd-reap", daemon=True)
        with suppress(RuntimeError):  # no thread is left; the next start of a child reaps
            reaper.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
