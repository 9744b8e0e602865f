"""Ask a disk something that it may never answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def answer_within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call that touches a disk; give it up when the disk takes too long.

    A system call on a network drive whose server is gone can wait for ever, and nothing but the
    end of the process ends it. So the call runs in a daemon thread of its own, which is left
    behind when the time is up: the interpreter does not wait for daemon threads when it exits.

    Raises:
        TimeoutError: there was no answer in time.
    """
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # handed on to the caller
            answer.set_exception(error)

    threading.Thread(target=ask, name="clipd-ask-disk", daemon=True).start()
    return answer.result(seconds)
