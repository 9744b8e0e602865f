"""The decoders: files in, pixels or reasons out, in any order."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from clipd.config.options import DecoderConfig
from clipd.decode.attempts import Source, Station, Wanted
from clipd.decode.settings import Settings, Target
from clipd.errors import ChildError
from clipd.photo import Decoded, Preprocess, Refused
from clipd.process.seals import Seals

_MOST_PROCESSES: Final = 8  # beyond, the encoder is the narrow place
_REST_SECONDS: Final = 10.0

Known = Callable[[bytes], bool]
Outcome = Decoded | Refused


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One file to decode."""

    ticket: int  # the caller's own; comes back with the answer
    path: bytes
    want_pixels: bool = True  # False: the hash is enough
    follow: bool = False  # whether the path may be a symbolic link


@dataclass(frozen=True, slots=True)
class _Task:
    source: Source
    wanted: Wanted
    answered: Callable[[Outcome], None]
    dropped: Callable[[Exception], object]  # told instead, when there will be no answer


class DecoderPool:
    """Up to `processes` sandboxed children, each fed by a thread ``clipd-decode-N``.

    A child starts with the first file, serves many, and ends after ten seconds without work.
    Thread-safe. `close`, or the end of a ``with`` block, drops what waits, unreported.

    Args:
        config: limits, and how many children there may be.
        preprocess: what the model wants.
        known: whether a content hash needs no pixels; called on the pool's threads.
        report: told the outcome of every job that was submitted; called on the pool's threads.
    """

    def __init__(
        self,
        config: DecoderConfig,
        preprocess: Preprocess,
        known: Known,
        report: Callable[[DecodeJob, Outcome], None],
    ) -> None:
        self.processes = config.processes or min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
        self._config = config
        self._settings = _settings(config, preprocess)
        self._known = known
        self._report = report
        self._changed = threading.Condition()  # guards everything below
        self._waiting: deque[_Task] = deque()
        self._threads: list[threading.Thread] = []
        self._stations: list[Station] = []
        self._free = 0  # threads that wait for a task
        self._seals: Seals | None = None
        self._closing = False

    def submit(self, job: DecodeJob) -> None:
        """Queue a file; never blocks. The caller bounds how many are under way.

        Raises:
            ChildError: the pool is closed.
        """
        source = Source(job.path, follow=job.follow)
        wanted: Wanted = self._is_unknown if job.want_pixels else _never
        report = self._report
        self._put(_Task(source, wanted, lambda outcome: report(job, outcome), _forget))

    def decode_now(self, source: bytes | int) -> Outcome:
        """Decode a picture of a query ahead of the queue, known or not; wait for it.

        Args:
            source: a path, or a descriptor open for reading, which stays the caller's
                (its position changes).

        Raises:
            ChildError: the pool is closed, or no decoder can be started.
        """
        future: Future[Outcome] = Future()
        where = Source(fd=source) if isinstance(source, int) else Source(source, follow=True)
        self._put(_Task(where, _always, future.set_result, future.set_exception), first=True)
        return future.result()

    def seals(self) -> Seals | None:
        """Return what seals the decoders, as the last to start said; None before the first."""
        with self._changed:
            return self._seals

    def close(self) -> None:
        """Kill what runs, drop what waits, join the threads."""
        with self._changed:
            self._closing = True
            dropped = list(self._waiting)
            self._waiting.clear()
            for station in self._stations:
                station.abort()
            self._changed.notify_all()
        for task in dropped:
            task.dropped(_closed())
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _is_unknown(self, content_hash: bytes) -> bool:
        return not self._known(content_hash)

    def _put(self, task: _Task, *, first: bool = False) -> None:
        with self._changed:
            if self._closing:
                raise _closed()
            if first:
                self._waiting.appendleft(task)
            else:
                self._waiting.append(task)
            if self._free < len(self._waiting) and len(self._threads) < self.processes:
                self._hire()
            self._changed.notify()

    def _hire(self) -> None:
        """Start one more thread; the lock is held."""
        station = Station(self._config, self._settings, self._note_seals)
        name = f"clipd-decode-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._serve, args=(station,), name=name)
        self._stations.append(station)
        self._threads.append(thread)
        thread.start()

    def _note_seals(self, seals: Seals) -> None:
        with self._changed:
            self._seals = seals

    def _serve(self, station: Station) -> None:
        """Work until the pool closes: the whole life of a thread."""
        try:
            while (task := self._next_task(station)) is not None:
                self._do(task, station)
        finally:
            station.rest(at_once=True)

    def _next_task(self, station: Station) -> _Task | None:
        """Wait for a task; None when the pool closes. Ends a decoder that has nothing to do."""
        while True:
            with self._changed:
                self._free += 1
                wait_seconds = _REST_SECONDS if station.has_decoder else None
                self._changed.wait_for(lambda: self._closing or self._waiting, wait_seconds)
                self._free -= 1
                if self._closing:
                    return None
                if self._waiting:
                    return self._waiting.popleft()
            station.rest()

    def _do(self, task: _Task, station: Station) -> None:
        try:
            outcome = station.decode(task.source, task.wanted)
        except Exception as error:
            task.dropped(error)  # so that nobody waits for an answer for ever
            if not self._closing:
                raise  # a bug, or no decoder can be started: both must be seen
            return
        if self._closing:
            task.dropped(_closed())  # the decoder was killed under the photo
        else:
            task.answered(outcome)


def _settings(config: DecoderConfig, preprocess: Preprocess) -> Settings:
    target = Target(preprocess.side, preprocess.resize, preprocess.interpolation, preprocess.fill)
    return Settings(target, config.max_pixels, config.memory, config.timeout)


def _closed() -> ChildError:
    return ChildError("the decoders are closed")


def _always(_: bytes) -> bool:
    return True


def _never(_: bytes) -> bool:
    return False


def _forget(_: Exception) -> None:
    return None
