"""Asking the disk of one root, which may take long to answer, or never do.

A network drive whose server is gone (NFS mounted hard, sshfs) lets a system call wait for ever,
and no signal that Python can handle ends it. So every thread that touches a root's disk belongs
to that root alone, and tells others by its pulse since when it has been waiting. All of them are
daemon threads: a process that ends does not wait for them, and the kernel kills them with it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from clipd.errors import RootStalledError

T = TypeVar("T")

# A drive that was put to sleep needs about ten seconds until its disk turns.
STALL_SECONDS = 15.0
_LOOK_SECONDS = 0.5  # between two looks whether it is worth to wait on
_END_SECONDS = 1.0  # for the thread to end when it is not waiting for its disk


def has_stalled(silent_seconds: float) -> bool:
    """Whether a disk has owed an answer for so long that it must be taken for hung."""
    return silent_seconds > STALL_SECONDS


class DiskAccess(Protocol):
    """A way to ask a disk: on this thread, or on another that may be given up."""

    def ask(self, work: Callable[[], T]) -> T:
        """Run something that touches the disk; return its answer."""
        ...

    def beat(self) -> None:
        """Say, within a long ``work``, that the disk has just answered."""
        ...


class DiskPulse:
    """Since when a disk owes an answer to one thread. Others may read it."""

    def __init__(self) -> None:
        self._asked_at: float | None = None

    def ask(self, work: Callable[[], T]) -> T:
        """Run something on this thread."""
        self.beat()
        return work()

    def begin(self) -> None:
        """Note that the disk is asked something."""
        self._asked_at = time.monotonic()

    def beat(self) -> None:
        """Note that the disk has answered, and is asked on."""
        if self._asked_at is not None:
            self._asked_at = time.monotonic()

    def rest(self) -> None:
        """Note that the disk has answered, and is asked nothing."""
        self._asked_at = None

    def silent_seconds(self) -> float:
        """Return for how long the disk has owed an answer; 0 when it owes none."""
        asked_at = self._asked_at
        return 0.0 if asked_at is None else time.monotonic() - asked_at


@dataclass(frozen=True, slots=True)
class _DiskQuestion(Generic[T]):
    work: Callable[[], T]
    answer: Future[T]

    def put(self) -> None:
        if not self.answer.set_running_or_notify_cancel():
            return  # given up before its turn came
        try:
            self.answer.set_result(self.work())
        except BaseException as error:  # handed on to whoever asked
            self.answer.set_exception(error)


class DiskThread:
    """Asks one disk on behalf of other threads, one question at a time.

    ``ask``, ``beat`` and ``silent_seconds`` are for any thread.

    Args:
        name: of the root, for errors.
        number: of the root, for the name of the thread.
    """

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._pulse = DiskPulse()
        self._questions: queue.SimpleQueue[_DiskQuestion[object] | None] = queue.SimpleQueue()
        self._is_hurried = False
        self._starting = threading.Lock()
        self._thread = threading.Thread(
            target=self._run, name=f"clipd-ask-root-{number}", daemon=True
        )

    def ask(self, work: Callable[[], T]) -> T:
        """Run something that touches the disk; return or raise what it does.

        Raises:
            RootStalledError: the disk does not answer. The work may still be done, later.
        """
        if self._is_hopeless():
            raise self._stalled()
        self._start()
        answer: Future[T] = Future()
        self._questions.put(_DiskQuestion(work, answer))  # type: ignore[arg-type]
        while True:
            try:
                return answer.result(_LOOK_SECONDS)
            except TimeoutError:
                if answer.done():
                    return answer.result()  # just now; or it was the disk itself that said so
                if self._is_hopeless():
                    answer.cancel()
                    raise self._stalled() from None

    def beat(self) -> None:
        """Say, within a long ``work``, that the disk has just answered."""
        self._pulse.beat()

    def silent_seconds(self) -> float:
        """Return for how long the disk has owed an answer; 0 when it owes none."""
        return self._pulse.silent_seconds()

    def hurry(self) -> None:
        """Wait for no slow answer any more: clipd stops, and whoever asks is needed for that."""
        self._is_hurried = True

    def close(self) -> None:
        """End the thread, or leave it behind where it waits for its disk."""
        self._questions.put(None)
        if self._thread.ident is not None and not has_stalled(self._pulse.silent_seconds()):
            self._thread.join(_END_SECONDS)

    def _start(self) -> None:
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            self._pulse.begin()
            question.put()
            self._pulse.rest()

    def _is_hopeless(self) -> bool:
        silent = self._pulse.silent_seconds()
        return has_stalled(silent) or (self._is_hurried and silent >= _LOOK_SECONDS)

    def _stalled(self) -> RootStalledError:
        silent = self._pulse.silent_seconds()
        return RootStalledError(
            f"the disk of {self._name} did not answer for {silent:.0f} s; "
            "if it is a network drive, see whether its server can be reached"
        )
