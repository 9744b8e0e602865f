"""THE WRITE PATH: backlog -> triage -> decode -> encode -> catalog -> index.

One thread turns changes into rows and vectors. Decoders and the encoder work beside it and
answer into its inbox, so that reading, decoding and encoding overlap; only this thread ever
writes the catalog or the index.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.errors import StoreUnavailableError
from clipd.ingest.backfill import Backfill, Retries
from clipd.ingest.batches import Batches
from clipd.ingest.changes import Changes
from clipd.ingest.chores import Upkeep
from clipd.ingest.claims import Claims
from clipd.ingest.files_at_work import FilesAtWork
from clipd.ingest.header_pass import HeaderPass, HeaderProgress
from clipd.ingest.inbox import (
    Encoded,
    HeadersRead,
    Inbox,
    Message,
    NotEncodable,
    NotEncoded,
    Read,
    Ready,
)
from clipd.ingest.pause import Pause
from clipd.ingest.recorder import Recorder
from clipd.ingest.retirement import Retirement
from clipd.ingest.settling import Settler, ToRead
from clipd.photo import Refused
from clipd.store.catalog import Catalog
from clipd.store.index_protocol import Follower

_log = logging.getLogger(__name__)
_LOOKS_A_TURN = 256  # paths triaged in one transaction
_LOOK_SECONDS = 0.25  # for finding them: a slow disk must not keep a turn from its end
_DISK_WAIT_SECONDS = 15.0  # after a full disk; photos wait, searches go on
_IDLE_WAIT_SECONDS = 5.0
_HELD_WAIT_SECONDS = 0.5
_BUSY_WAIT_SECONDS = 0.05
_LAST_BATCH_SECONDS = 4.0  # what a stop grants to work in flight; all of it has to take 10


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """Where the write path stands."""

    waiting: int  # changes not looked at yet
    working: int  # pictures in decoders, in the encoder or between
    is_encoding_anew: bool  # photos without a vector of this model are being looked for
    decoded: int  # since the start
    encoded: int
    rate: float  # photos per second, lately
    beat: float  # time.monotonic() of the last turn
    problem: str  # a sentence, "" when all is well
    headers: HeaderProgress | None  # of the pass over the headers of known photos, while it lasts


@dataclass(frozen=True, slots=True)
class Store:
    """What the indexer alone writes."""

    catalog: Catalog
    follower: Follower  # keeps the index in step


@dataclass(frozen=True, slots=True)
class Intake:
    """Where the indexer's work comes from."""

    changes: Changes  # paths to look at
    inbox: Inbox  # what decoders, the encoder and requests say
    backfill: Backfill  # photos without a vector
    retries: Retries  # refused files that are due again
    headers: HeaderPass  # photos that have not said what they know of themselves
    retirement: Retirement  # photos in folders that are not configured any more

    def restart(self) -> None:
        """Look again for work that no change asks for: a root may be back. The indexer's thread."""
        self.backfill.restart()
        self.headers.restart()


@dataclass(frozen=True, slots=True)
class Workers:
    """Who works beside the indexer: the children, and what feeds them."""

    pool: DecoderPool
    batches: Batches
    claims: Claims


class Indexer:
    """Runs the write path on the thread ``clipd-indexer``, from ``start`` to ``stop``."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        settler: Settler,
        workers: Workers,
        recorder: Recorder,
        upkeep: Upkeep,
        pause: Pause,
    ) -> None:
        """Join the parts of the write path, in the order in which a photo meets them."""
        self._catalog = store.catalog
        self._follower = store.follower
        self._changes = intake.changes
        self._inbox = intake.inbox
        self._backfill = intake.backfill
        self._retries = intake.retries
        self._headers = intake.headers
        self._retirement = intake.retirement
        self._settler = settler
        self._pool = workers.pool
        self._batches = workers.batches
        self._files = FilesAtWork(workers.claims)
        self._recorder = recorder
        self._upkeep = upkeep
        self._pause = pause
        self._disk_problem = ""
        self._disk_retry = 0.0
        self._beat = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clipd-indexer")

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the batches at work, save the index, end the thread."""
        self._stop.set()
        self._inbox.post(None)
        self._thread.join()

    def progress(self) -> IngestProgress:
        """Tell where the write path stands. Any thread."""
        return IngestProgress(
            waiting=len(self._changes),
            working=self._files.count,
            is_encoding_anew=not self._backfill.is_done,
            decoded=self._recorder.decoded,
            encoded=self._recorder.encoded,
            rate=self._recorder.rate(),
            beat=self._beat,
            problem=self._disk_problem or self._recorder.problem or self._upkeep.problem,
            headers=self._headers.progress(),
        )

    @property
    def is_idle(self) -> bool:
        """Whether no change waits and nothing is at work. Any thread."""
        return not (len(self._changes) or self._files.count)

    def retry(self, path: bytes) -> None:
        """Have what was refused at a path and below it tried again, soon. Any thread."""
        self._inbox.tell(lambda: self._retry(path))

    def _retry(self, path: bytes) -> None:
        try:
            self._retries.have_under(path)
        except StoreUnavailableError as error:
            _log.warning("%s", error)

    def _run(self) -> None:
        # However this thread ends: a call that nobody will run would be waited for in vain.
        with closing(self._inbox):
            self._work()

    def _work(self) -> None:
        while not self._stop.is_set():
            self._beat = time.monotonic()
            self._turn(self._wait())
            self._inbox.run_calls()
            self._retirement.go_on()
            self._upkeep.run(is_idle=not self._files and not self._changes.has_more())
        self._finish()

    def _finish(self) -> None:
        deadline = time.monotonic() + _LAST_BATCH_SECONDS
        while self._files and time.monotonic() < deadline:
            self._turn(self._inbox.messages(_BUSY_WAIT_SECONDS))
        self._inbox.run_calls()
        self._upkeep.finish()

    def _wait(self) -> list[Message]:
        """Wait until there is something to do; return what the others have answered."""
        if self._must_wait():
            return self._inbox.messages(_HELD_WAIT_SECONDS)
        if self._files:
            self._changes.wait(0)
            can_look = self._room() > 0 and self._changes.has_more()
            return self._inbox.messages(0 if can_look else _BUSY_WAIT_SECONDS)
        has_old = not self._backfill.is_done and not self._recorder.encoder_wait()
        has_old = has_old or self._headers.can_send or self._retirement.is_due
        has_old = has_old or self._follower.must_go_on()
        is_over = not has_old and not self._changes.has_more()
        self._changes.wait(_IDLE_WAIT_SECONDS if is_over else 0)
        return self._inbox.messages(0)

    def _may_look(self) -> bool:
        return not self._stop.is_set() and not self._must_wait()

    def _must_wait(self) -> bool:
        return self._pause.is_on or time.monotonic() < self._disk_retry

    def _turn(self, messages: list[Message]) -> None:
        """Take in answers and look at changes, in one transaction; then let the index follow."""
        # Before the transaction: a rollback must not return these files to work, since
        # nobody will answer for them a second time.
        records = [self._take_in(message) for message in messages]
        changes = self._catalog.changes
        try:
            # No transaction for nothing: another program may hold SQLite's lock just now.
            if records or (self._may_look() and self._changes.has_more()):
                with self._catalog.writing():
                    for record in records:
                        record()
                    if self._may_look():
                        self._look()
            if self._may_look() and not self._changes.has_more():
                self._look_for_old_work()
            # What looks only does not show that there is room, nor does a small write in between.
            if self._catalog.changes > changes and time.monotonic() >= self._disk_retry:
                self._disk_problem = ""
            self._follower.catch_up()
            # Only now can they be found.
            self._recorder.count(sum(len(m.batch) for m in messages if isinstance(m, Encoded)))
        except StoreUnavailableError as error:
            self._wait_for_room(error)
        self._files.end_turn()
        self._batches.send_due(more_coming=self._files.in_decoders > 0)

    def _take_in(self, message: Message) -> Callable[[], None]:
        """Note that work has come back; return what is left to be recorded of it."""
        match message:
            case Read():
                return self._take_in_read(message)
            case HeadersRead():
                return self._headers.take_in(message)
            case Encoded():
                self._land(message.batch)
                return partial(self._recorder.encoded_batch, message)
            case NotEncodable():
                self._land(message.batch)
                return partial(self._recorder.not_encodable, message)
            case NotEncoded():
                self._land(message.batch)
                self._backfill.restart()  # a path that the catalog knows is not read again
                return partial(self._recorder.not_encoded, message)

    def _land(self, batch: tuple[Ready, ...]) -> None:
        for ready in batch:
            self._files.touch(ready.path)
            self._files.leave(ready.path, ready.decoded.content_hash)

    def _take_in_read(self, message: Read) -> Callable[[], None]:
        file = self._files.come_back(message.job.ticket)
        outcome = message.outcome
        if not isinstance(outcome, Refused) and outcome.pixels is not None:
            self._recorder.decoded += 1
            ready = Ready(file.path, file.root, outcome, time.monotonic())
            self._batches.add(ready)
            return _nothing
        self._files.leave(file.path)
        if isinstance(outcome, Refused):
            return partial(self._recorder.refused, file, outcome)
        return partial(self._recorder.known, file, outcome)

    def _look(self) -> None:
        until = time.monotonic() + _LOOK_SECONDS
        for _ in range(_LOOKS_A_TURN):
            if self._room() <= 0:
                return
            path = self._changes.next(until)
            if path is None:
                return
            self._look_at(path)

    def _look_at(self, path: bytes) -> None:
        if path in self._files:
            self._changes.put_back(path, _HELD_WAIT_SECONDS)
            return
        self._files.touch(path)
        found = self._settler.settle(path)
        if isinstance(found, ToRead):
            self._read_or_wait(found)
        elif found is not None:
            self._changes.add(found)

    def _read_or_wait(self, file: ToRead) -> None:
        # Of a library, hours of decoding would be thrown away while the encoder fails.
        wait = self._recorder.encoder_wait()
        if wait:
            self._changes.put_back(file.path, wait)
        else:
            self._read(file)

    def _look_for_old_work(self) -> None:
        """With nothing new to do, see to what no change on disk asks for."""
        due = self._retries.take()
        if due:
            self._changes.add(iter(due))
        if not self._recorder.encoder_wait():
            self._encode_anew()
        if not self._files:
            self._headers.send()

    def _encode_anew(self) -> None:
        if self._backfill.is_done and not self._files:
            self._backfill.look_again()
        while self._room() > 0 and (file := self._backfill.take()) is not None:
            if file.path not in self._files:
                self._read(file)

    def _room(self) -> int:
        """How many more files may be read: enough to keep every decoder fed, no more.

        A short queue is what lets a fresh photo overtake a long scan.
        """
        return min(2 * self._pool.processes + 2 - self._files.in_decoders, self._batches.room)

    def _read(self, file: ToRead) -> None:
        self._pool.submit(DecodeJob(self._files.begin(file), file.path, file.root))

    def _wait_for_room(self, error: StoreUnavailableError) -> None:
        if not self._disk_problem:
            _log.error("%s", error)
        self._disk_problem = str(error)
        with suppress(StoreUnavailableError):  # gives back what the write-ahead log holds
            self._catalog.checkpoint()
        self._disk_retry = time.monotonic() + _DISK_WAIT_SECONDS
        for path in self._files.lost():
            self._changes.put_back(path, _DISK_WAIT_SECONDS)
        self._backfill.restart()
        self._headers.restart()


def _nothing() -> None:
    """Record nothing: a decoded picture waits for its vector."""
