"""Making the vectors of the model that is to be used next, while the one in use answers."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.encode.handle import Encoder
from clipd.encode.portions import Portion, Portions
from clipd.errors import (
    ChildError,
    EncodeError,
    EncoderClosedError,
    StoppingError,
    StoreUnavailableError,
)
from clipd.ingest.backfill import Backfill
from clipd.ingest.inbox import Inbox
from clipd.ingest.recent_rate import RecentRate
from clipd.ingest.settling import ToRead
from clipd.photo import Decoded, ModelSpec, Refused
from clipd.store.catalog import Catalog
from clipd.store.index_protocol import BaseBuilder
from clipd.watch.roots import Roots

_log = logging.getLogger(__name__)
_HELD_SECONDS = 1.0  # between two looks whether there is time for this
_REST_SECONDS = 5.0  # between two looks for photos, when all in reach are done
_POLL_SECONDS = 0.2
_WAITS = (5.0, 300.0)  # after a failure: the first wait, the longest

T = TypeVar("T")
Report = tuple[DecodeJob, Decoded | Refused]


@dataclass(frozen=True, slots=True)
class NextModel:
    """A model as the catalog knows it, and which is to be used next."""

    id: int
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class NextWorkers:
    """Who makes pictures and vectors for the next model; nobody else uses them."""

    pool: DecoderPool
    reports: queue.SimpleQueue[Report]  # of the pool
    encoder: Encoder
    batch: int  # pictures at a time


@dataclass(frozen=True, slots=True)
class ChangeoverState:
    """How far it is."""

    is_working: bool  # False: it waits for a drive, or until it tries again
    rate: float  # photos a second, of late
    reason: str  # why it does not go on, as a sentence; "" where it does


@dataclass(frozen=True, slots=True)
class _Page:
    files: Sequence[ToRead]
    is_last: bool  # the pass over the photos is over
    lacking: int  # photos without a vector, in all


class Changeover:
    """Works on the thread ``clipd-changeover`` while there is nothing else to do.

    What is looked up and written of the catalog is called into the indexer's inbox, a page at a
    time, so that there is one writer. When every photo in reach has its vector, the base of an
    index is built beside the one in use; then ``is_over``, and whoever runs the daemon starts it
    anew with the next model.
    """

    def __init__(
        self,
        catalog: Catalog,
        inbox: Inbox,
        following: NextModel,
        roots: Roots,
        workers: NextWorkers,
        builder: BaseBuilder,
    ) -> None:
        """Join the parts; nothing begins yet.

        Args:
            following: the model that is to be used next.
            builder: of its index.
        """
        self._catalog = catalog
        self._inbox = inbox
        self._following = following
        self._roots = roots
        self._workers = workers
        self._has_time: Callable[[], bool] = lambda: False
        self._builder = builder
        self._portions = Portions(workers.encoder, workers.batch)
        self._backfill = Backfill(catalog, following.id, roots)  # of the indexer's thread
        self._flying: dict[int, ToRead] = {}  # in decoders, by ticket
        self._ready: deque[Decoded] = deque()
        self._ticket = 0
        self._failed = 0  # photos of this pass that the model makes no vector of
        self._has_base = False
        self._is_over = False
        self._must_restart = False
        self._away = ""  # what is out of reach, as a sentence
        self._problem = ""  # why it does not work, as a sentence
        self._wait = 0.0
        self._failure_wait = _WAITS[0]
        self._rate = RecentRate()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clipd-changeover")

    @property
    def following(self) -> NextModel:
        """The model that is to be used next."""
        return self._following

    @property
    def is_over(self) -> bool:
        """Whether it is time to go over to the next model."""
        return self._is_over

    def state(self) -> ChangeoverState:
        """Tell how far it is. Any thread."""
        reason = self._problem or self._away
        is_working = not self._problem and (self._must_restart or not self._away)
        return ChangeoverState(is_working, self._rate.a_second(), reason)

    def switch_now(self) -> None:
        """Go over to the next model though photos lack its vectors. Any thread."""
        self._is_over = True

    def look_again(self) -> None:
        """Begin a new pass soon: a drive may be back. Any thread."""
        self._must_restart = True

    def start(self, has_time: Callable[[], bool]) -> None:
        """Begin to work.

        Args:
            has_time: whether there is nothing to do that matters more; for any thread.
        """
        self._has_time = has_time
        self._thread.start()

    def stop(self) -> None:
        """End the thread. The encoder is to be closed first: a batch may take long."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not (self._is_over or self._stop.wait(self._wait)):
            self._wait = 0.0
            try:
                self._step()
            except StoppingError:
                break
            except (EncodeError, ChildError, StoreUnavailableError) as error:
                self._fail(error)
        self._builder.stop()

    def _step(self) -> None:
        if not self._has_time():
            self._wait = _HELD_SECONDS
            return
        page = self._call(lambda: self._take(self._room()))
        for file in page.files:
            self._read(file)
        self._gather()
        if self._ready:
            self._encode([self._ready.popleft() for _ in range(self._count())])
        elif page.is_last and not self._flying:
            self._conclude(page.lacking)

    def _room(self) -> int:
        """How many more files may be read: a batch ahead of the encoder."""
        return max(0, 2 * self._workers.batch - len(self._flying) - len(self._ready))

    def _count(self) -> int:
        return min(self._workers.batch, len(self._ready))

    def _take(self, count: int) -> _Page:
        """Look for photos without a vector, on the indexer's thread while ours waits."""
        if not (self._flying or self._ready):
            self._begin_again()
        if self._must_restart:
            count = 0  # so that what is under way comes to its end
        files: list[ToRead] = []
        while len(files) < count and (file := self._backfill.take()) is not None:
            files.append(file)
        lacking = self._catalog.count_without_vector(self._following.id)
        return _Page(files, self._backfill.is_done, lacking)

    def _begin_again(self) -> None:
        """Begin a new pass where there is a reason to."""
        if self._must_restart:
            self._backfill.restart()
        elif self._backfill.is_done:
            self._backfill.look_again()
            if self._backfill.is_done:
                return
        else:
            return
        self._must_restart, self._failed = False, 0

    def _read(self, file: ToRead) -> None:
        self._ticket += 1
        self._flying[self._ticket] = file
        self._away = ""
        self._workers.pool.submit(DecodeJob(self._ticket, file.path, file.root))

    def _gather(self) -> None:
        """Take what is decoded, until it fills a batch or nothing more is coming."""
        while self._flying and len(self._ready) < self._workers.batch and not self._stop.is_set():
            try:
                job, outcome = self._workers.reports.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            file = self._flying.pop(job.ticket)
            if isinstance(outcome, Refused):
                # What a drive that went away refuses is read when it is back.
                self._failed += not self._roots.state(file.root).is_away
            elif outcome.pixels is not None:
                self._ready.append(outcome)

    def _encode(self, batch: Sequence[Decoded]) -> None:
        pixels = np.stack([each.pixels for each in batch if each.pixels is not None])
        try:
            for portion in self._portions.encode(pixels):
                rows = batch[portion.rows]
                self._rate.add(self._call(partial(self._write, rows, portion)))
        except (EncodeError, StoreUnavailableError):
            self._must_restart = True  # the rest of the batch is to be read again
            raise
        self._problem, self._failure_wait = "", _WAITS[0]

    def _write(self, batch: Sequence[Decoded], portion: Portion) -> int:
        """Keep vectors of photos, on the indexer's thread; return how many."""
        photos = []
        with self._catalog.writing():
            self._catalog.prepare_model(self._following.spec, int(time.time()))
            for decoded, vector in zip(batch, portion.vectors, strict=True):
                # Of a file that has changed since it was known, the watcher tells the indexer.
                photo = self._catalog.photo_of_hash(decoded.content_hash)
                if photo is None:
                    continue
                try:
                    self._catalog.put_vector(self._following.id, photo, vector)
                    photos.append(photo)
                except EncodeError:  # not finite: the model makes no vector of this picture
                    self._failed += 1
            if self._has_base:
                self._catalog.have_followed(photos)
        return len(photos)

    def _conclude(self, lacking: int) -> None:
        """See whether all is done that can be."""
        away = lacking - self._failed
        if away > 0:
            self._away = f"{away:,} photos without its vectors cannot be read now"
            self._wait = _REST_SECONDS
        elif not self._has_base:
            self._build_base()
        else:
            _log.info("all photos have vectors of %s", self._following.spec.name)
            self._is_over = True

    def _build_base(self) -> None:
        """Have the index of the next model built, so that the switch takes a moment only."""
        self._has_base = True
        try:
            self._builder.begin()
            while self._builder.is_running and not self._stop.wait(_POLL_SECONDS):
                self._builder.poll()
        except StoreUnavailableError as error:
            _log.warning("%s; it is built when %s is used", error, self._following.spec.name)

    def _call(self, work: Callable[[], T]) -> T:
        return self._inbox.call(work).result()

    def _fail(self, error: Exception) -> None:
        if self._stop.is_set() or isinstance(error, EncoderClosedError):
            return
        if not self._problem:
            _log.error("%s; trying again in %.0f s", error, self._failure_wait)
        self._problem = str(error)
        self._wait = self._failure_wait
        self._failure_wait = min(2 * self._failure_wait, _WAITS[1])
