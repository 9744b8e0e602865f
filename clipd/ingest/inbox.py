"""What decoders, the encoder and requests tell the indexer's thread."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from clipd.decode.pool import DecodeJob
from clipd.errors import EncodeError
from clipd.photo import Decoded, Refused, Vectors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ready:
    """A decoded picture that waits for its vector."""

    path: bytes
    root: int
    decoded: Decoded
    since: float  # time.monotonic()


@dataclass(frozen=True, slots=True)
class Read:
    """A decoder is done with a file."""

    job: DecodeJob
    outcome: Decoded | Refused


@dataclass(frozen=True, slots=True)
class Encoded:
    """The encoder is done with a batch: a row of ``vectors`` for each picture, in order."""

    batch: tuple[Ready, ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class NotEncoded:
    """The encoder failed on a batch."""

    batch: tuple[Ready, ...]
    error: EncodeError


Message = Read | Encoded | NotEncoded


class Inbox:
    """Messages and calls for the indexer's thread. Any thread may post."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Make an inbox.

        Args:
            wake: called after each post, to end a wait of the indexer elsewhere.
        """
        self._wake = wake
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def post(self, message: Message | None) -> None:
        """Leave a message, or None only to end a wait."""
        self._messages.put(message)
        self._wake()

    def tell(self, work: Callable[[], None]) -> None:
        """Have the indexer's thread run something between two turns; what it raises ends clipd."""
        self._calls.put(work)
        self.post(None)

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Have the indexer's thread run something between two turns, and hand out the result."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # handed on to whoever waits for the future
                future.set_exception(error)

        self.tell(run)
        return future

    def messages(self, wait_seconds: float) -> list[Message]:
        """Take all messages; wait for the first one as long as given, which may be 0."""
        taken: list[Message | None] = []
        try:
            taken.append(self._messages.get(wait_seconds > 0, wait_seconds))
            while True:
                taken.append(self._messages.get_nowait())
        except queue.Empty:
            return [message for message in taken if message is not None]

    def run_calls(self) -> None:
        """Run the calls that wait. The indexer's thread only."""
        while not self._calls.empty():
            self._calls.get_nowait()()
