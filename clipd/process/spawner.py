"""Where children start: on a thread that holds none of the files that clipd opens.

A fork copies the whole table of descriptors, and before exec the kernel closes the copies. For a
file on a FUSE drive, closing a copy means asking the drive (FLUSH, linux/fs/fuse/file.c), and one
that hangs never answers: while a photo on it is open, no child could start, and since Python
forks with its lock held, all of clipd would stand still. A thread can have a table of its own,
close_range(2), and a fork copies that of the thread it is called on.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_CLOSE_RANGE: Final = 436  # the same number on every architecture
_CLOSE_RANGE_UNSHARE: Final = 2
_HIGHEST_FD: Final = 0xFFFFFFFF
MAX_LANES = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """A Python module to run as a process."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]  # over ours


def start(program: Program, lanes: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a process that holds copies of these descriptors, their numbers its first arguments.

    Inside of a `spawning` block it is started on that thread, else on this one.

    Raises:
        OSError: there is no memory, no process or no descriptor left.
    """
    spawner = _running
    return _popen(program, lanes) if spawner is None else spawner.start(program, lanes)


@contextmanager
def spawning() -> Iterator[None]:
    """Start the children of this process on a thread of their own, for the length of the block.

    To be entered before any photo is opened: descriptors that are open now may stay open there
    until the block ends. Children that ask for it die with that thread.
    """
    global _running  # one for the process, as its table of descriptors is
    spawner = Spawner()
    _running = spawner
    try:
        yield
    finally:
        _running = None
        spawner.close()


class Spawner:
    """A thread ``clipd-spawn`` with descriptors of its own, which starts processes for others.

    `start` is for any thread. What a child inherits reaches the thread over a socket, as it
    would reach another process; the `Popen` that comes back holds no descriptor.
    """

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._asking = threading.Lock()  # so that orders and descriptors come in the same order
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="clipd-spawn")
        self._thread.start()

    def start(self, program: Program, lanes: Sequence[int]) -> subprocess.Popen[bytes]:
        """Start a process; see the function of the same name."""
        order = _Order(program, len(lanes))
        with self._asking:
            socket.send_fds(self._here, [b"\0"], lanes)
            self._orders.put(order)
        return order.answer.result()

    def close(self) -> None:
        """End the thread."""
        self._orders.put(None)
        self._thread.join()
        self._here.close()
        self._there.close()

    def _run(self) -> None:
        _keep_descriptors_apart(self._there.fileno())
        while (order := self._orders.get()) is not None:
            with _no_garbage_collected():
                try:
                    order.answer.set_result(self._obey(order))
                except Exception as error:  # handed on to whoever asked
                    order.answer.set_exception(error)
            del order  # its Popen belongs to whoever asked, and ends with them

    def _obey(self, order: _Order) -> subprocess.Popen[bytes]:
        _, lanes, _, _ = socket.recv_fds(self._there, 1, MAX_LANES)
        try:
            if len(lanes) < order.lanes:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return _popen(order.program, lanes)
        finally:
            for lane in lanes:
                os.close(lane)


_running: Spawner | None = None


class _Order:
    """A process to start, and who waits for it."""

    def __init__(self, program: Program, lanes: int) -> None:
        self.program = program
        self.lanes = lanes
        self.answer: Future[subprocess.Popen[bytes]] = Future()


def _popen(program: Program, lanes: Sequence[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", program.module, *map(str, lanes), *program.arguments],
        pass_fds=lanes,
        env={**os.environ, **program.environment},
        stdin=subprocess.DEVNULL,
        # Ctrl-C in a terminal is for clipd, which then ends its children. A group and not a
        # session: the scheduler gives every session a share of its own (sched(7), autogroups).
        process_group=0,
    )


def _keep_descriptors_apart(last: int) -> None:
    """Give this thread a table of descriptors of its own, with what is open now up to `last`.

    What lies below stays: standard output, and the pipe that Python's signal handler writes to,
    on whichever thread it runs.
    """
    first, highest = ctypes.c_uint(last + 1), ctypes.c_uint(_HIGHEST_FD)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_CLOSE_RANGE, first, highest, ctypes.c_uint(_CLOSE_RANGE_UNSHARE)):
        _log.warning(
            "children are started with the descriptors of clipd (close_range: %s); a FUSE drive "
            "that stops answering while one of its photos is open may halt clipd; Linux 5.9 is "
            "needed",
            os.strerror(ctypes.get_errno()),
        )


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Keep Python from collecting garbage on this thread.

    What a forgotten object of another thread closes would be closed in this table, and stay open
    in that of the others.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
