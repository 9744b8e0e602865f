"""The parts of the daemon, put together for one configuration."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from clipd.config.folders import Paths, base_folder
from clipd.config.options import Config
from clipd.daemon.changing import has_vector, made_changeover
from clipd.daemon.model_choice import ModelArrival
from clipd.daemon.parts import Children, WritePath
from clipd.daemon.service import Daemon
from clipd.daemon.status import StatusBoard
from clipd.daemon.stores import Stores, open_stores
from clipd.decode.desktop_thumbnails import DesktopThumbnails
from clipd.decode.pool import DecoderPool
from clipd.decode.thumbnail_cache import ThumbnailCache
from clipd.decode.world import codec_versions, refusal_world
from clipd.encode.handle import Encoder
from clipd.encode.models import is_large
from clipd.ingest.backfill import Backfill, Retries, WorldOf
from clipd.ingest.batches import Batches
from clipd.ingest.changeover import Changeover
from clipd.ingest.changes import Changes, Found
from clipd.ingest.chores import RootKeeper, TextMemory, Upkeep
from clipd.ingest.claims import Claims
from clipd.ingest.forgetter import Forgetter
from clipd.ingest.header_pass import HeaderPass
from clipd.ingest.importer import Importer
from clipd.ingest.inbox import Inbox, Read
from clipd.ingest.indexer import Indexer, Intake, Store, Workers
from clipd.ingest.indexer_line import IndexerLine
from clipd.ingest.pause import Pause
from clipd.ingest.placing import Placer
from clipd.ingest.recorder import Recorder
from clipd.ingest.settling import Settler
from clipd.ingest.verifier import Verifier
from clipd.photo import FailureKind
from clipd.search.calibrator import Calibrator
from clipd.search.query_vectors import QueryVectors
from clipd.search.search import Search
from clipd.search.thumbnails import Thumbnails
from clipd.serve.lanes import request_lanes
from clipd.serve.limits import Limits
from clipd.serve.server import serving_on
from clipd.store.backup import backup, fresh_backup_at
from clipd.store.reader import CatalogReader
from clipd.store.view import StoreView
from clipd.watch.backlog import Backlog
from clipd.watch.library import PhotoLibrary
from clipd.watch.look import Looker
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules
from clipd.watch.scan import folder_steps
from clipd.watch.waiting_folders import Folder
from clipd.watch.watcher import watching

_log = logging.getLogger(__name__)
_THUMBNAIL_BYTES = 1 << 30  # on disk
_THUMBNAIL_NICE = 14
_FIRST_LOOK_SECONDS = 2.0  # at the folders; a disk that sleeps longer has its photos offline
_ENCODER_GRACE_SECONDS = 1.0  # after the indexer has waited for its last batch


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that the main thread looks after."""

    write_path: WritePath
    board: StatusBoard
    reader: CatalogReader
    search: Search
    limits: Limits
    arrival: ModelArrival | None  # of the model's weights, where what takes a vector waits for them

    def goes_over_to(self) -> str:
        """Return the fingerprint of the model that it is time to start with; "" for none."""
        changeover = self.write_path.changeover
        is_due = changeover is not None and changeover.is_over
        return changeover.following.spec.fingerprint if changeover and is_due else ""

    def adapt(self, config: Config) -> None:
        """Go by what of a new configuration needs no restart; see :func:`needs_restart`."""
        self.search.defaults = config.search
        self.limits.config = config.serve
        self.write_path.pause.config = config.power


def needs_restart(before: Config, after: Config) -> bool:
    """Whether a change of the configuration is more than what ``Running.adapt`` takes over."""
    light = replace(before, search=after.search, serve=after.serve, power=after.power)
    return light != after


@contextmanager
def assembled(
    config: Config,
    paths: Paths,
    sock: socket.socket,
    complaint: str = "",
    *,
    is_paused: bool = False,
    needs_model: bool = False,
    go_over_to: str = "",
) -> Iterator[Running]:
    """Run all parts for the length of the block: started top to bottom, stopped bottom to top.

    Args:
        sock: where to answer; it listens already.
        complaint: a sentence that the status should show, "" for none.
        is_paused: begin with the work held, as the user wanted before a reload.
        needs_model: do not begin without the weights of the model.
        go_over_to: fingerprint of a model that is to be used at once, whatever it lacks.
    """
    with ExitStack() as running:
        arrival = ModelArrival(config.model, paths)
        stores = open_stores(running, config, paths, needs_model, go_over_to)
        # Ends after all that a request may wait for, and before what it reads.
        lanes = running.enter_context(request_lanes())
        catalog, stored = stores.catalog, stores.stored
        reader, model = stored.reader, stored.model
        states = running.enter_context(closing(Roots(stores.roots, reader)))
        rules = Rules(config.watch, stores.roots)
        looker = Looker(states, rules)
        library = PhotoLibrary(states, rules, reader)
        backlog = Backlog(config.watch.settle, config.watch.settle_max)
        inbox = Inbox(backlog.wake)
        pause = Pause(config.power)
        if is_paused:
            pause.pause()
        encoder, workers = _start_workers(running, config, paths, stores, inbox, pause)
        world_of = _worlds(config, stored.spec.fingerprint)
        memory = TextMemory(catalog, model, inbox)
        vectors = QueryVectors(stored, encoder, workers.pool, memory.remember)
        calibrator = Calibrator(stored, vectors, paths.cache)
        headers = HeaderPass(catalog, states, workers.pool, inbox.post, backlog.put_back)
        intake = Intake(
            Changes(backlog, lambda folder: _expand(library, folder)),
            inbox,
            Backfill(catalog, model, states),
            Retries(catalog, world_of),
            headers,
            stores.retirement,
        )
        store = Store(catalog, stored.follower)
        indexer = Indexer(
            store,
            intake,
            Settler(catalog, backlog, looker, headers.sidecar_changed),
            workers,
            Recorder(
                catalog,
                model,
                backlog.put_back,
                looker.fingerprint,
                world_of,
                headers.want,
                calibrator.photos_found,
                stores.absence,
            ),
            _upkeep(config, paths, stores),
            pause,
        )
        indexer.start()
        running.callback(indexer.stop)
        changeover = None
        if stores.following is not None:
            changeover = made_changeover(
                running, config, paths, stores.following, catalog, stored, states, inbox, pause
            )
        keeper = RootKeeper(catalog, inbox, partial(_look_again, intake, changeover))
        watcher = running.enter_context(
            watching(config.watch, library, backlog, keeper.root_changed)
        )
        if changeover is not None:
            changeover.start(
                lambda: not pause.is_on and indexer.is_idle and not watcher.is_scanning
            )
        write_path = WritePath(states, watcher, inbox, indexer, pause, changeover)
        children = Children(encoder, workers.pool)
        board = StatusBoard(paths.config, stored, write_path, children, stores.notes)
        board.complain(complaint)
        running.enter_context(calibrator.running())
        search = Search(stored, vectors, states, config.search, calibrator)
        line = IndexerLine(inbox, backlog, indexer.progress, lambda: pause.is_on)
        verifier = Verifier(store, library, line)
        forgetter = Forgetter(catalog, inbox, [each.spec.fingerprint for each in stores.models])
        placer = Placer(catalog, looker, headers.want)
        importer = Importer(catalog, inbox, stores.models, placer)
        limits = Limits(config.serve)
        thumbnails = Thumbnails(
            reader,
            states,
            _start_thumbnails(running, config, stored),
            _thumbnail_cache(paths),
            DesktopThumbnails(base_folder("XDG_CACHE_HOME") / "thumbnails"),
        )
        daemon = Daemon(
            search, thumbnails, board, verifier, forgetter, importer, reader, write_path
        )
        states.await_first_looks(_FIRST_LOOK_SECONDS)
        running.enter_context(serving_on(sock, daemon, limits, lanes))
        running.callback(stored.follower.hurry)  # the indexer may be waiting for a Milvus
        # Ended first, since the server waits for the answers that it is still giving.
        running.callback(verifier.close)
        running.callback(_give_up_start, encoder)
        running.callback(states.hurry)  # the indexer, too, may be waiting for a disk
        yield Running(
            write_path, board, reader, search, limits, arrival if stores.absence else None
        )


def _worlds(config: Config, model: str) -> WorldOf:
    """Return what tells for each kind of refusal what it depends on besides the file."""
    codecs = codec_versions()

    def world_of(kind: FailureKind) -> str:
        if kind != "encode":
            return refusal_world(kind, config.decoder, codecs)
        # Another model may well make a vector of what this one cannot, and so may this one in
        # another precision, which the reason advises.
        return f"{model} {config.encoder.precision} {config.encoder.device}"

    return world_of


def _start_workers(
    running: ExitStack, config: Config, paths: Paths, stores: Stores, inbox: Inbox, pause: Pause
) -> tuple[Encoder, Workers]:
    stored = stores.stored
    encoder = Encoder(
        stored.spec,
        config.encoder,
        paths.cache,
        stores.absence,
        may_try=lambda: not pause.is_on,
        goes_ahead=is_large(stored.spec),
    )
    batches = running.enter_context(Batches(encoder, config.encoder.batch, inbox.post))
    # Closed before the thread of the batches is joined, which may be waiting for its start.
    running.callback(encoder.close, _ENCODER_GRACE_SECONDS)
    claims = Claims(
        partial(has_vector, stored.reader, stored.model),
        lambda job, outcome: inbox.post(Read(job, outcome)),
    )
    pool = running.enter_context(
        DecoderPool(config.decoder, stored.spec.preprocess, claims.is_known, claims.report)
    )
    return encoder, Workers(pool, batches, claims)


def _look_again(intake: Intake, changeover: Changeover | None) -> None:
    intake.restart()
    if changeover is not None:
        changeover.look_again()


def _start_thumbnails(running: ExitStack, config: Config, stored: StoreView) -> DecoderPool:
    """Make a decoder for thumbnails alone: it starts with the first, and ends soon after them."""
    limits = replace(config.decoder, processes=1)
    pool = DecoderPool(
        limits,
        stored.spec.preprocess,
        lambda _: False,
        lambda job, outcome: None,
        nice=_THUMBNAIL_NICE,
    )
    return running.enter_context(pool)


def _thumbnail_cache(paths: Paths) -> ThumbnailCache:
    return ThumbnailCache(paths.cache / "thumbnails", _THUMBNAIL_BYTES)


def _give_up_start(encoder: Encoder) -> None:
    """Let nobody wait for an encoder that is still starting when we stop: it takes too long."""
    if encoder.status().state == "starting":
        encoder.close(0)


def _upkeep(config: Config, paths: Paths, stores: Stores) -> Upkeep:
    return Upkeep(
        config.store,
        stores.catalog,
        stores.stored.follower,
        back_up=lambda pace: backup(stores.catalog.file, paths.state, stores.catalog.access, pace),
        last_backup=fresh_backup_at(paths.state) or 0.0,
        spared_model=stores.following.id if stores.following else 0,
    )


def _expand(library: PhotoLibrary, folder: Folder) -> Found:
    root = library.roots.of(folder.path)
    if root is None:
        return iter(())
    return folder_steps(library, root, folder.path, folder.deep)
