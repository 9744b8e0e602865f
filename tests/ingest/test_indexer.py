"""The loop of the write path, with real decoders and a real catalog."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipd.config.options import DecoderConfig, EncoderConfig, IndexConfig, PowerConfig, StoreConfig
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.errors import StoppingError
from clipd.ingest import indexer as indexer_module
from clipd.ingest.backfill import Backfill, Retries
from clipd.ingest.batches import Batches
from clipd.ingest.changes import Changes
from clipd.ingest.chores import Upkeep
from clipd.ingest.claims import Claims
from clipd.ingest.header_pass import HeaderPass
from clipd.ingest.inbox import Inbox, Read
from clipd.ingest.indexer import Indexer, Intake, Store, Workers
from clipd.ingest.pause import Pause
from clipd.ingest.recorder import Recorder
from clipd.ingest.retirement import Retirement
from clipd.store.follow import IndexFollower
from clipd.watch.scan import folder_steps
from tests.decode.test_pool import signal_decoders
from tests.writepath import WritePath, write_path

BATCH = 2
DEADLINE_SECONDS = 60.0


class Running:
    """An indexer at work on a write path, whose encoder has not been started yet."""

    def __init__(self, house: WritePath, running: ExitStack) -> None:
        self.house = house
        self.inbox = Inbox(house.backlog.wake)
        encoder = Encoder(house.spec, EncoderConfig(), house.state)
        running.callback(encoder.close)
        batches = running.enter_context(Batches(encoder, BATCH, self.inbox.post))
        claims = Claims(
            lambda content_hash: house.reader.vectors.has(house.model, content_hash),
            lambda job, outcome: self.inbox.post(Read(job, outcome)),
        )
        self.on_claim: Callable[[], object] = lambda: None
        self.pool = running.enter_context(
            DecoderPool(
                DecoderConfig(processes=1), house.spec.preprocess, self._is_known, claims.report
            )
        )
        self._claims = claims
        self.follower = IndexFollower(
            house.reader, house.model, house.spec, IndexConfig(), house.state
        )
        running.callback(self.follower.close)
        self.follower.start()
        self.backfill = Backfill(house.catalog, house.model, house.roots)
        self.pause = Pause(PowerConfig())
        self.headers = HeaderPass(
            house.catalog, house.roots, self.pool, self.inbox.post, house.backlog.put_back
        )
        house.on_sidecar = self.headers.sidecar_changed
        self.intake = Intake(
            Changes(
                house.backlog,
                lambda folder: folder_steps(house.library, house.root, folder.path, folder.deep),
            ),
            self.inbox,
            self.backfill,
            Retries(house.catalog, lambda kind: "world"),
            self.headers,
            Retirement(house.catalog, [house.root.id]),
        )
        self.indexer = Indexer(
            Store(house.catalog, self.follower),
            self.intake,
            house.settler,
            Workers(self.pool, batches, claims),
            Recorder(
                house.catalog,
                house.model,
                house.backlog.put_back,
                house.looker.fingerprint,
                lambda kind: "world",
                self.headers.want,
                lambda: None,
            ),
            Upkeep(
                StoreConfig(),
                house.catalog,
                self.follower,
                lambda pace: None,
                last_backup=time.time(),
            ),
            self.pause,
        )
        self.indexer.start()
        running.callback(self.indexer.stop)

    def _is_known(self, content_hash: bytes) -> bool:
        is_known = self._claims.is_known(content_hash)
        self.on_claim()
        return is_known

    def wait_until(self, claim: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not claim():
            assert time.monotonic() < deadline, self.indexer.progress()
            threading.Event().wait(0.01)

    def write(self, work: Callable[[], object]) -> None:
        """Do something to the catalog on the one thread that may."""
        self.inbox.call(work).result(DEADLINE_SECONDS)

    def is_calm(self) -> bool:
        now = self.indexer.progress()
        return not now.working and not now.waiting and not now.is_encoding_anew


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


@pytest.fixture
def broken_encoder(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no encoder start, as when Python was upgraded below a running daemon."""
    Image.new("RGB", (32, 32)).save(tmp_path / "first.png")
    running.pool.decode_now(bytes(tmp_path / "first.png"))  # the decoder runs already
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


@pytest.fixture
def running(house: WritePath) -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(house, stack)


def _save_pictures(house: WritePath, count: int) -> None:
    random = np.random.default_rng(5)
    for number in range(count):
        picture = Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8))
        picture.save(house.photos / f"{number}.png")


def _set(house: WritePath, pragma: str, value: int) -> None:
    house.catalog.writer.connection.execute(f"PRAGMA {pragma} = {value}").fetchone()


def test_a_full_disk_loses_no_answer_of_a_decoder(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer_module, "_DISK_WAIT_SECONDS", 0.2)
    house = running.house
    long_name = "x" * 200  # a few fill a page
    for number in range(100):
        house.save(f"{long_name}{number:03}.jpg", b"no picture %d" % number)
    running.write(lambda: _set(house, "max_page_count", 1))  # SQLite takes what there is
    house.backlog.folder(house.root.path, deep=True)
    running.wait_until(lambda: bool(running.indexer.progress().problem))

    running.write(lambda: _set(house, "max_page_count", 1_000_000))
    running.wait_until(lambda: house.reader.counts(house.model).errors == 100)
    running.wait_until(running.is_calm)
    assert running.indexer.progress().problem == ""


@pytest.mark.usefixtures("broken_encoder")
def test_an_encoder_that_fails_does_not_have_the_whole_library_decoded(running: Running) -> None:
    house = running.house
    _save_pictures(house, 100)
    house.backlog.folder(house.root.path, deep=True)
    running.wait_until(lambda: bool(running.indexer.progress().problem))
    running.wait_until(lambda: not running.indexer.progress().working)

    now = running.indexer.progress()
    assert now.decoded < 50  # what was on its way, and a try or two
    assert now.waiting > 0
    assert "cannot be started" in now.problem


@pytest.mark.usefixtures("broken_encoder")
def test_a_known_photo_whose_encoding_failed_is_not_given_up(running: Running) -> None:
    house = running.house
    _save_pictures(house, 1)
    running.write(lambda: house.record("0.png", 1, vector=False))
    running.write(running.backfill.restart)
    running.wait_until(lambda: bool(running.indexer.progress().problem))
    running.wait_until(lambda: not running.indexer.progress().working)

    assert running.indexer.progress().is_encoding_anew
    assert house.lies_at("0.png") is not None


def test_nothing_is_looked_at_while_work_is_held(running: Running) -> None:
    house = running.house
    running.pause.pause()
    house.save("bad.jpg")
    house.backlog.hint(house.path("bad.jpg"))
    began = running.indexer.progress().beat
    running.wait_until(lambda: running.indexer.progress().beat > began + 1)
    assert house.reader.counts(house.model).errors == 0

    running.pause.resume()
    running.inbox.post(None)
    running.wait_until(lambda: house.reader.counts(house.model).errors == 1)


def test_what_is_told_runs_on_the_indexers_thread(running: Running) -> None:
    name = running.inbox.call(lambda: threading.current_thread().name).result(DEADLINE_SECONDS)
    assert name == "clipd-indexer"


def test_a_deleted_folder_is_work_until_all_of_it_is_gone(running: Running) -> None:
    house = running.house
    running.pause.pause()
    trip = [house.save(f"trip/{number}.jpg") for number in range(2000)]
    running.write(lambda: house.index(trip))
    for path in house.on_disk():
        (house.photos / path.decode()).unlink()
    (house.photos / "trip").rmdir()
    house.backlog.folder(house.path("trip"), deep=True)
    running.pause.resume()
    running.wait_until(lambda: not running.indexer.progress().waiting)
    running.wait_until(lambda: not running.indexer.progress().working)
    assert house.reader.counts(house.model).paths == 0


def test_a_call_to_an_indexer_that_has_ended_fails_at_once(running: Running) -> None:
    running.indexer.stop()
    with pytest.raises(StoppingError):
        running.inbox.call(lambda: None).result(0)


def test_a_picture_that_kills_its_decoder_each_time_is_listed(running: Running) -> None:
    house = running.house
    _save_pictures(house, 1)
    running.on_claim = lambda: signal_decoders(signal.SIGSEGV)
    house.backlog.hint(house.path("0.png"), closed=True)
    running.wait_until(lambda: house.reader.counts(house.model).errors == 1)
    failure = house.reader.failures(b"", 1, skipped=False)[0]
    assert failure.kind == "crash"
