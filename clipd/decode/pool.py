"""The decoders: files in, pixels or reasons out, in any order."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from clipd.config.options import DecoderConfig
from clipd.decode.attempts import Draw, Fit, RetryingDecoder, Source, Wanted
from clipd.decode.desktop_thumbnails import DesktopThumbnails
from clipd.decode.reading import HangingRoots, Outcome
from clipd.decode.settings import NICE, Settings, Target
from clipd.errors import ChildError, ClipdError, ShortageError
from clipd.photo import Decoded, Drawn, Fitted, Headers, Preprocess, Refused
from clipd.process.seals import Seals

_MOST_PROCESSES: Final = 8  # beyond, the encoder is the narrow place
_REST_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 60.0
_SECONDS_BETWEEN_WARNINGS: Final = 60.0

_log = logging.getLogger(__name__)

Known = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One file to decode."""

    ticket: int  # the caller's own; comes back with the answer
    path: bytes
    root: int = 0  # that it lies in; the disk of one root may hang while others answer


@dataclass(frozen=True, slots=True)
class _Task:
    source: Source
    wanted: Wanted
    answered: Callable[[Outcome], None]
    dropped: Callable[[Exception], object]  # told instead, when there will be no answer
    is_query: bool = False  # somebody waits for it: answered at once, if only with an error


class _Worker:
    """A thread's decoder, and how long the thread leaves it alone after it could not work."""

    def __init__(self, decoder: RetryingDecoder) -> None:
        self.decoder = decoder
        # The pool's lock guards the rest.
        self.problem = ""
        self.resumes_at = 0.0  # time.monotonic()
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def pause(self, error: ClipdError) -> None:
        """Wait before the next try, longer each time."""
        self.problem = f"{error}; photos wait, and clipd tries again by itself"
        self.resumes_at = time.monotonic() + self._pause_seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def resume(self) -> None:
        """Stop waiting: what stood in the way is over."""
        self.problem, self.resumes_at = "", 0.0
        self._pause_seconds = _FIRST_PAUSE_SECONDS


class DecoderPool:
    """Up to `processes` sandboxed children, each fed by a thread ``clipd-decode-N``.

    A child starts with the first file, serves many, and ends after ten seconds without work.
    Thread-safe. `close`, or the end of a ``with`` block, drops what waits, unreported.

    Args:
        config: limits, and how many children there may be.
        preprocess: what the model wants.
        known: whether a content hash needs no pixels; called on the pool's threads.
        report: told the outcome of every job that was submitted; called on the pool's threads.
        disk_seconds: how long a disk may take to open a file. One that sleeps takes ten to wake.
        nice: levels by which its children give way to clipd.
    """

    def __init__(
        self,
        config: DecoderConfig,
        preprocess: Preprocess,
        known: Known,
        report: Callable[[DecodeJob, Decoded | Refused], None],
        *,
        disk_seconds: float = 20.0,
        nice: int = NICE,
    ) -> None:
        self.processes = config.processes or min(_MOST_PROCESSES, len(os.sched_getaffinity(0)))
        self._config = config
        self._settings = _settings(config, preprocess, nice)
        self._known = known
        self._report = report
        self._disk_seconds = disk_seconds
        self._changed = threading.Condition()  # guards everything below
        self._waiting: deque[_Task] = deque()
        self._threads: list[threading.Thread] = []
        self._workers: list[_Worker] = []
        self._hanging = HangingRoots()
        self._free = 0  # threads that wait for a task
        self._seals: Seals | None = None
        self._warns_at = 0.0  # time.monotonic()
        self._closing = False

    def submit(self, job: DecodeJob) -> None:
        """Queue a file; never blocks. The caller bounds how many are under way.

        Raises:
            ChildError: the pool is closed.
        """
        source = Source(job.path, root=job.root)
        report = self._report

        def answered(outcome: Outcome) -> None:
            assert isinstance(outcome, Decoded | Refused)
            report(job, outcome)

        self._put(_Task(source, self._is_unknown, answered, _forget))

    def read_headers(
        self, path: bytes, root: int, report: Callable[[Headers | Refused], None]
    ) -> None:
        """Queue a file of which only the headers are to be read; never blocks.

        Args:
            root: that it lies in.
            report: told the outcome, on one of the pool's threads.

        Raises:
            ChildError: the pool is closed.
        """

        def answered(outcome: Outcome) -> None:
            assert isinstance(outcome, Headers | Refused)
            report(outcome)

        self._put(_Task(Source(path, root=root), None, answered, _forget))

    def decode_now(self, source: bytes | int) -> Decoded | Refused:
        """Decode a picture of a query ahead of the queue, known or not; wait for it.

        Args:
            source: a path, or a descriptor open for reading, which stays the caller's
                (its position changes).

        Raises:
            ChildError: the pool is closed, or no decoder can be started.
            ShortageError: the machine has no descriptor, thread or memory left for the moment.
        """
        where = Source(fd=source) if isinstance(source, int) else Source(source, follow=True)
        outcome = self._done_now(where, _always)
        assert isinstance(outcome, Decoded | Refused)
        return outcome

    def draw_now(
        self, path: bytes, root: int, side: int, desktop: DesktopThumbnails | None = None
    ) -> Drawn | Refused:
        """Make a thumbnail ahead of the queue; wait for it. See `decode_now` for the errors.

        Args:
            root: that the file lies in.
            side: pixels of the longer side of the thumbnail.
            desktop: whose thumbnails may spare reading the file.
        """
        outcome = self._done_now(Source(path, root=root), Draw(side, desktop))
        assert isinstance(outcome, Drawn | Refused)
        return outcome

    def fit_now(self, fd: int, box: tuple[int, int]) -> Fitted | Refused:
        """Fit an open picture into a box, ahead of the queue; see `decode_now`."""
        outcome = self._done_now(Source(fd=fd), Fit(box))
        assert isinstance(outcome, Fitted | Refused)
        return outcome

    def _done_now(self, source: Source, wanted: Wanted) -> Outcome:
        future: Future[Outcome] = Future()
        task = _Task(source, wanted, future.set_result, future.set_exception, is_query=True)
        self._put(task, first=True)
        return future.result()

    def seals(self) -> Seals | None:
        """Return what seals the decoders, as the last to start said; None before the first."""
        with self._changed:
            return self._seals

    def problem(self) -> str:
        """Say in one sentence why photos wait for decoders; "" when they do not."""
        with self._changed:
            return next((worker.problem for worker in self._workers if worker.problem), "")

    def close(self) -> None:
        """Kill what runs, drop what waits, join the threads."""
        with self._changed:
            self._closing = True
            dropped = list(self._waiting)
            self._waiting.clear()
            for worker in self._workers:
                worker.decoder.abort()
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
        decoder = RetryingDecoder(
            self._config, self._settings, self._hanging, self._disk_seconds, self._note_seals
        )
        worker = _Worker(decoder)
        name = f"clipd-decode-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._serve, args=(worker,), name=name)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:  # nobody would ever decode what waits
                raise
            return
        self._workers.append(worker)
        self._threads.append(thread)

    def _note_seals(self, seals: Seals) -> None:
        with self._changed:
            self._seals = seals
            self._resume()

    def _serve(self, worker: _Worker) -> None:
        """Work until the pool closes: the whole life of a thread."""
        try:
            while (task := self._next_task(worker)) is not None:
                self._do(task, worker)
        finally:
            worker.decoder.rest(at_once=True)

    def _next_task(self, worker: _Worker) -> _Task | None:
        """Wait for a task; None when the pool closes. Ends a child that has nothing to do."""
        rests_at = time.monotonic() + _REST_SECONDS
        while True:
            with self._changed:
                self._free += 1
                task = self._wait_for_task(worker, rests_at)
                self._free -= 1
                if task is not None or self._closing:
                    return task
            worker.decoder.rest()

    def _wait_for_task(self, worker: _Worker, rests_at: float) -> _Task | None:
        """Wait for a task, at most until the child may rest; the lock is held."""
        while not self._closing:
            now = time.monotonic()
            if task := self._take(is_pausing=now < worker.resumes_at):
                return task
            times = [worker.resumes_at] if now < worker.resumes_at else []
            times += [rests_at] if worker.decoder.has_decoder else []
            if worker.decoder.has_decoder and now >= rests_at:
                return None
            self._changed.wait(min(times) - now if times else None)
        return None

    def _take(self, *, is_pausing: bool) -> _Task | None:
        """Return the next task, of queries only when pausing; the lock is held."""
        for task in self._waiting:
            if task.is_query or not is_pausing:
                self._waiting.remove(task)
                return task
        return None

    def _do(self, task: _Task, worker: _Worker) -> None:
        try:
            outcome = worker.decoder.decode(task.source, task.wanted)
        except (ChildError, ShortageError) as error:
            self._set_back(task, worker, error)
            return
        except Exception as error:
            task.dropped(error)  # so that nobody waits for an answer for ever
            raise  # a bug, which must be seen
        if worker.problem and worker.decoder.has_decoder:
            with self._changed:
                self._resume()
        if self._closing:
            task.dropped(_closed())  # the decoder was killed under the photo
        else:
            task.answered(outcome)

    def _set_back(self, task: _Task, worker: _Worker, error: ClipdError) -> None:
        """Have a task wait that cannot be done here and now, for no fault of its file."""
        with self._changed:
            self._warn(error)
            worker.pause(error)
            is_dropped = self._closing or task.is_query
            if not is_dropped:
                self._waiting.appendleft(task)
                self._changed.notify()  # another thread may fare better
        if is_dropped:
            task.dropped(_closed() if self._closing else error)

    def _warn(self, error: ClipdError) -> None:
        """Log why photos wait, but not each time: there may be many a second; the lock is held."""
        now = time.monotonic()
        if now >= self._warns_at:
            _log.warning("%s; photos wait until that is over", error)
            self._warns_at = now + _SECONDS_BETWEEN_WARNINGS

    def _resume(self) -> None:
        """Have all threads try again: what stood in the way of one is over; the lock is held."""
        for worker in self._workers:
            worker.resume()
        self._changed.notify_all()


def _settings(config: DecoderConfig, preprocess: Preprocess, nice: int) -> Settings:
    target = Target(preprocess.side, preprocess.resize, preprocess.interpolation, preprocess.fill)
    return Settings(target, config.max_pixels, config.memory, config.timeout, nice=nice)


def _closed() -> ChildError:
    return ChildError("the decoders are closed")


def _always(_: bytes) -> bool:
    return True


def _forget(_: Exception) -> None:
    return None
