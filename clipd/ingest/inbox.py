"""What decoders, the encoder and requests tell the indexer's thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from clipd.decode.pool import DecodeJob
from clipd.errors import EncodeError, StoppingError
from clipd.photo import Decoded, FailureKind, Headers, Refused, Vectors

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
class HeadersRead:
    """A decoder has read what a known photo says of itself, or could not."""

    photo: int
    path: bytes
    outcome: Headers | Refused


@dataclass(frozen=True, slots=True)
class Encoded:
    """Pictures have their vectors: a row for each, in order."""

    batch: tuple[Ready, ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class NotEncodable:
    """There is no vector for a picture, and the picture is to blame, not the encoder."""

    batch: tuple[Ready]
    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class NotEncoded:
    """The encoder failed, whatever the pictures are."""

    batch: tuple[Ready, ...]
    error: EncodeError


Message = Read | HeadersRead | Encoded | NotEncodable | NotEncoded


@dataclass(frozen=True, slots=True)
class Call:
    """Work for the indexer's thread; exactly one of the two is run."""

    run: Callable[[], None]
    passed_over: Callable[[], None]  # when the indexer ends first


class Inbox:
    """Messages and calls for the indexer's thread. Any thread may post."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Make an inbox.

        Args:
            wake: called after each post, to end a wait of the indexer elsewhere.
        """
        self._wake = wake
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque()  # guarded by _lock
        self._is_closed = False  # guarded by _lock

    def post(self, message: Message | None) -> None:
        """Leave a message, or None only to end a wait."""
        self._messages.put(message)
        self._wake()

    def tell(self, work: Callable[[], None]) -> None:
        """Have the indexer's thread run something between two turns; what it raises ends clipd.

        Once the inbox is closed nothing is written any more, and the work is passed over.
        """
        self._add(Call(work, passed_over=_nothing))

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Have the indexer's thread run something between two turns, and hand out the result.

        The future raises ``StoppingError`` when the indexer ends before it comes to the work.
        """
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # handed on to whoever waits for the future
                future.set_exception(error)

        def refuse() -> None:
            if future.set_running_or_notify_cancel():
                future.set_exception(StoppingError())

        self._add(Call(run, passed_over=refuse))
        return future

    def close(self) -> None:
        """Refuse the calls that wait and all that come: nobody is left to run them."""
        with self._lock:
            self._is_closed = True
            waiting, self._calls = self._calls, deque()
        for call in waiting:
            call.passed_over()

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
        while (call := self._next_call()) is not None:
            call.run()

    def _add(self, call: Call) -> None:
        with self._lock:
            is_closed = self._is_closed
            if not is_closed:
                self._calls.append(call)
        if is_closed:
            call.passed_over()
        else:
            self.post(None)

    def _next_call(self) -> Call | None:
        with self._lock:
            return self._calls.popleft() if self._calls else None


def _nothing() -> None:
    """Tell nobody: work that was only told of has nobody who waits for it."""
