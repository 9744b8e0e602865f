"""One encoder: asked over two lanes, watched for signs of life, ended for certain."""

from __future__ import annotations

import select
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipd.errors import ChildError
from clipd.json_types import JsonValue
from clipd.photo import FailureKind
from clipd.process.channel import Channel, Message
from clipd.process.child import Child

LOOK_SECONDS = 0.25  # between two looks for a sign of life while an answer is owed
_MAX_ANSWER_BYTES = 64 << 20  # 4,096 vectors of the longest kind
_REST_SECONDS = 30.0  # for the rest of an answer that has begun to come
NICE = 5  # behind clipd, which answers; before the decoders, which only feed it


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for.

    Two bounds, because a large model on a slow core is slow for good reasons: one that computes
    or reads its weights may take ``total_seconds``, one that does neither ``silent_seconds``.
    """

    silent_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How an encoder process ended."""

    kind: FailureKind  # of the picture that it was at, if that is to blame
    words: str  # go on after "the encoder"
    away: str = ""  # the sentence where it is not the pictures, but that it cannot be reached


@dataclass(frozen=True, slots=True)
class _Question:
    since: float  # time.monotonic()
    patience: Patience


class AskedEncoder(ABC):
    """An encoder at the other end of two lanes, each of which is for one thread at a time."""

    def __init__(self, lanes: Sequence[Channel]) -> None:
        """Speak over these lanes: that of batches, that of queries."""
        self._lanes = lanes
        self._questions: dict[int, _Question] = {}  # under way, by lane
        self._hung_seconds = 0.0

    @abstractmethod
    def is_alive(self) -> bool:
        """Whether it is there, if only stopped by a signal."""

    @abstractmethod
    def is_stopped(self) -> bool:
        """Whether a signal (SIGSTOP) has stopped the process until another continues it."""

    def doing(self) -> str:
        """Return what it is at before its first answer, as far as it tells; "" otherwise."""
        return ""

    @abstractmethod
    def end(self, *, at_once: bool) -> Ending:
        """End it for certain; `at_once` does not wait for it to end by itself."""

    @abstractmethod
    def _quiet_seconds(self) -> float:
        """Return for how long there was no sign of life."""

    def ask(
        self,
        lane: int,
        order: dict[str, JsonValue],
        body: bytes | memoryview = b"",
        *,
        patience: Patience,
    ) -> Message:
        """Send an order, return the answer. Another thread has to look at `overdue` meanwhile.

        Raises:
            ChildError: the encoder is gone.
            TimeoutError: the whole patience is over; the encoder must be ended.
            OSError: another thread has ended it.
        """
        self._questions[lane] = _Question(time.monotonic(), patience)
        channel = self._lanes[lane]
        channel.set_timeout(patience.total_seconds)
        try:
            channel.send(order, body)
            answer = channel.receive(_MAX_ANSWER_BYTES, within=patience.total_seconds)
        finally:
            del self._questions[lane]
        if answer is None:
            raise ChildError("the encoder has closed its lane")
        return answer

    def introduce(self, order: dict[str, JsonValue], patience: Patience) -> Message:
        """Send the first order, which tells the model; return what the encoder says of itself.

        Raises:
            ChildError: the encoder is gone.
            TimeoutError: it hangs; it must be ended.
            OSError: another thread has ended it.
        """
        channel = self._lanes[0]
        channel.send(order)  # small: the socket takes it at once, even of a stopped process
        self._questions[0] = _Question(time.monotonic(), patience)
        ready = select.poll()  # not select(), which knows no descriptor above 1,023
        ready.register(channel.fileno(), select.POLLIN)
        while not ready.poll(LOOK_SECONDS * 1000):
            if self.overdue():
                raise TimeoutError
        del self._questions[0]
        answer = channel.receive(_MAX_ANSWER_BYTES, within=_REST_SECONDS)
        if answer is None:
            raise ChildError("the encoder has closed its lane")
        return answer

    def silent_seconds(self) -> float:
        """Return for how long it has shown no sign of life though it owes an answer."""
        asked = [question.since for question in list(self._questions.values())]
        if not asked:
            return 0.0
        return min(self._quiet_seconds(), time.monotonic() - min(asked))

    def overdue(self) -> bool:
        """Whether it owes an answer and the patience of the one who asked is over."""
        now, silent = time.monotonic(), self.silent_seconds()
        for question in list(self._questions.values()):
            waited, patience = now - question.since, question.patience
            is_silent = min(waited, silent) > self._most_silence(patience)
            if is_silent or waited > patience.total_seconds:
                self._hung_seconds = silent if is_silent else waited
                return True
        return False

    def _most_silence(self, patience: Patience) -> float:
        return patience.silent_seconds


class EncoderChild(AskedEncoder):
    """A running ``encode_worker``."""

    def __init__(self, environment: Mapping[str, str], nice: int = NICE) -> None:
        """Start the process, which gives way to clipd by ``nice`` levels.

        Raises:
            OSError: no memory or no process left.
        """
        self._child = Child(
            "clipd.encode.encode_worker", lanes=2, environment=environment, nice=nice
        )
        self._pulse = Pulse(self._child.pid)
        super().__init__(self._child.lanes)

    def is_alive(self) -> bool:
        """Whether the process is there, if only stopped by a signal."""
        return self._child.is_alive()

    def is_stopped(self) -> bool:
        """Whether a signal (SIGSTOP) has stopped the process until another continues it."""
        return self._pulse.is_stopped()

    def end(self, *, at_once: bool) -> Ending:
        """End the process and reap it; `at_once` does not wait for it to end by itself."""
        status = self._child.kill() if at_once else self._child.stop()
        if self._hung_seconds:
            return Ending("timeout", f"did not answer for {self._hung_seconds:.0f} s")
        return _ending(status)

    def _quiet_seconds(self) -> float:
        return self._pulse.silent_seconds()


class Pulse:
    """Signs of life of a process: it computes, or its memory comes in from a disk.

    A process that waits for a GPU shows them too: CUDA waits by spinning.
    """

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._seen = (self._signs(), time.monotonic())  # one value: several threads look

    def silent_seconds(self) -> float:
        """Return for how long there was no sign, as far as earlier calls have looked."""
        signs, since = self._seen
        signs_now, now = self._signs(), time.monotonic()
        if signs_now != signs:
            self._seen = signs_now, now
            return 0.0
        return now - since

    def is_stopped(self) -> bool:
        """Whether the process is stopped by a signal or a debugger."""
        return self._fields()[:1] in (["T"], ["t"])

    def _signs(self) -> list[str]:
        fields = self._fields()
        return fields[9:10] + fields[11:13]  # majflt, utime, stime

    def _fields(self) -> list[str]:
        """Return the fields of proc_pid_stat(5) from the third, the state, on."""
        try:
            # The second field is the program's name in brackets and may hold spaces.
            return self._stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended and reaped
            return []


def _ending(status: int) -> Ending:
    if status == -signal.SIGKILL:
        return Ending("memory", "was killed (by the system for want of memory, most likely)")
    if status < 0:
        return Ending("crash", f"died of {signal.Signals(-status).name}")
    return Ending("crash", f"ended with status {status}")
