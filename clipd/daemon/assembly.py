"""The parts of the daemon, put together for one configuration."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from clipd.config.folders import Paths
from clipd.config.options import Config
from clipd.daemon.service import Daemon
from clipd.daemon.status import StatusBoard
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.ingest.backfill import Backfill, Retries
from clipd.ingest.batches import Batches
from clipd.ingest.changes import Changes, Found
from clipd.ingest.claims import Claims
from clipd.ingest.inbox import Inbox, Read
from clipd.ingest.indexer import Indexer, Intake, Store, Workers
from clipd.ingest.pause import Pause
from clipd.ingest.recorder import Recorder
from clipd.ingest.rootkeeper import RootKeeper
from clipd.ingest.settling import Settler
from clipd.ingest.textmemory import TextMemory
from clipd.ingest.upkeep import Upkeep
from clipd.photo import ModelSpec
from clipd.search.search import Search
from clipd.serve.server import serving_on
from clipd.store.backup import backed_up_at, backup, open_catalog
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.reader import CatalogReader
from clipd.watch.backlog import Backlog, Folder
from clipd.watch.library import PhotoLibrary
from clipd.watch.look import Looker
from clipd.watch.root import Root
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules
from clipd.watch.scan import folder_steps
from clipd.watch.watcher import Watcher, watching

_log = logging.getLogger(__name__)
_ENCODER_GRACE_SECONDS = 1.0  # after the indexer has waited for its last batch


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that the main thread looks after."""

    indexer: Indexer
    watcher: Watcher
    board: StatusBoard
    pause: Pause
    reader: CatalogReader


@dataclass(frozen=True, slots=True)
class _Stores:
    """What is on disk, opened."""

    spec: ModelSpec
    catalog: Catalog
    reader: CatalogReader
    model: int
    roots: tuple[Root, ...]
    follower: IndexFollower
    notes: tuple[str, ...]


@contextmanager
def assembled(
    config: Config,
    paths: Paths,
    sock: socket.socket,
    complaint: str = "",
    *,
    is_paused: bool = False,
) -> Iterator[Running]:
    """Run all parts for the length of the block: started top to bottom, stopped bottom to top.

    Args:
        sock: where to answer; it listens already.
        complaint: a sentence that the status should show, "" for none.
        is_paused: begin with the work held, as the user wanted before a reload.
    """
    with ExitStack() as running:
        stores = _open_stores(running, config, paths)
        states = running.enter_context(closing(Roots(stores.roots, stores.reader)))
        rules = Rules(config.watch, stores.roots)
        library = PhotoLibrary(states, rules, stores.reader)
        backlog = Backlog(config.watch.settle, config.watch.settle_max)
        inbox = Inbox(backlog.wake)
        pause = Pause(config.power)
        if is_paused:
            pause.pause()
        encoder, workers = _start_workers(running, config, paths, stores, inbox)
        intake = Intake(
            Changes(backlog, lambda folder: _expand(library, folder)),
            inbox,
            Backfill(stores.catalog, stores.model, states),
            Retries(stores.catalog),
        )
        indexer = Indexer(
            Store(stores.catalog, stores.follower),
            intake,
            Settler(stores.catalog, backlog, Looker(states, rules)),
            workers,
            Recorder(stores.catalog, stores.model, backlog.put_back, lambda kind: ""),
            _upkeep(config, paths, stores),
            pause,
        )
        indexer.start()
        running.callback(indexer.stop)
        keeper = RootKeeper(stores.catalog, inbox, intake.backfill.restart)
        watcher = running.enter_context(
            watching(config.watch, library, backlog, keeper.root_changed)
        )
        board = StatusBoard(
            spec=stores.spec,
            model=stores.model,
            reader=stores.reader,
            follower=stores.follower,
            indexer=indexer,
            watcher=watcher,
            roots=stores.roots,
            states=states,
            encoder=encoder,
            pool=workers.pool,
            pause=pause,
            notes=stores.notes,
        )
        board.complain(complaint)
        daemon = Daemon(
            search=_search(config, stores, encoder, workers.pool, states, inbox),
            board=board,
            catalog=stores.catalog,
            reader=stores.reader,
            follower=stores.follower,
            inbox=inbox,
            watcher=watcher,
            roots=states,
            pause=pause,
        )
        running.enter_context(serving_on(sock, daemon, config.serve))
        running.callback(_give_up_start, encoder)
        yield Running(indexer, watcher, board, pause, stores.reader)


def _open_stores(running: ExitStack, config: Config, paths: Paths) -> _Stores:
    spec = resolve(config.model, paths.models, paths.cache)
    catalog, note = open_catalog(paths.state, time.time())
    running.enter_context(closing(catalog))
    if note:
        _log.warning("%s", note)
    reader = running.enter_context(closing(CatalogReader(catalog.file, catalog.access)))
    with catalog.writing():
        model = catalog.model(spec)
        roots = _enter_roots(catalog, config)
    _retire_other_roots(catalog, roots)
    follower = IndexFollower(reader, model, spec, config.index.kind, paths.state)
    _log.info("%s", follower.start())
    return _Stores(spec, catalog, reader, model, roots, follower, (note,) if note else ())


def _enter_roots(catalog: Catalog, config: Config) -> tuple[Root, ...]:
    """Give every configured root its id."""
    roots = []
    for each in config.roots:
        path = os.fsencode(each.path)
        roots.append(Root(catalog.root(path), path, each))
    return tuple(roots)


def _retire_other_roots(catalog: Catalog, roots: Sequence[Root]) -> None:
    """Take the photos of folders that are no longer configured out of the hits."""
    retired = catalog.retire_roots([root.id for root in roots], int(time.time()))
    if retired:
        _log.info("%d paths lie in folders that are no longer watched", retired)


def _start_workers(
    running: ExitStack, config: Config, paths: Paths, stores: _Stores, inbox: Inbox
) -> tuple[Encoder, Workers]:
    encoder = Encoder(stores.spec, config.encoder, paths.cache)
    batches = running.enter_context(Batches(encoder, config.encoder.batch, inbox.post))
    # Closed before the thread of the batches is joined, which may be waiting for its start.
    running.callback(encoder.close, _ENCODER_GRACE_SECONDS)
    claims = Claims(
        lambda content_hash: stores.reader.has_vector(stores.model, content_hash),
        lambda job, outcome: inbox.post(Read(job, outcome)),
    )
    pool = running.enter_context(
        DecoderPool(config.decoder, stores.spec.preprocess, claims.is_known, claims.report)
    )
    return encoder, Workers(pool, batches, claims)


def _give_up_start(encoder: Encoder) -> None:
    """Let nobody wait for an encoder that is still starting when we stop: it takes too long."""
    if encoder.status().state == "starting":
        encoder.close(0)


def _upkeep(config: Config, paths: Paths, stores: _Stores) -> Upkeep:
    return Upkeep(
        config.store,
        stores.catalog,
        stores.follower,
        back_up=lambda: backup(stores.catalog.file, paths.state, stores.catalog.access),
        last_backup=backed_up_at(paths.state) or 0.0,
    )


def _expand(library: PhotoLibrary, folder: Folder) -> Found:
    root = library.roots.of(folder.path)
    if root is None:
        return iter(())
    return folder_steps(library, root, folder.path, folder.deep)


def _search(
    config: Config,
    stores: _Stores,
    encoder: Encoder,
    pool: DecoderPool,
    states: Roots,
    inbox: Inbox,
) -> Search:
    return Search(
        reader=stores.reader,
        model=stores.model,
        model_name=stores.spec.name,
        index=stores.follower.index,
        encoder=encoder,
        pool=pool,
        roots=states,
        remember=TextMemory(stores.catalog, stores.model, inbox).remember,
        defaults=config.search,
    )
