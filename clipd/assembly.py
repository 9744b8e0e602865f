"""The parts of the daemon, put together for one configuration."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipd.batches import Batches
from clipd.changes import Changes
from clipd.config import Config
from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.hold import Hold
from clipd.inbox import Inbox, Read
from clipd.indexer import Indexer
from clipd.photo import Decoded, Refused
from clipd.recorder import Recorder
from clipd.reencode import Reencoding
from clipd.search import Search
from clipd.serve.server import serving
from clipd.service import Daemon
from clipd.status import StatusBoard
from clipd.store.backup import back_up, last_backup, open_catalog
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.reader import CatalogReader
from clipd.triage import Triage
from clipd.upkeep import Upkeep
from clipd.watch.backlog import Backlog, Folder
from clipd.watch.roots import Root, RootChange, Roots
from clipd.watch.rules import Rules
from clipd.watch.scan import folder_changes
from clipd.watch.watcher import watching
from clipd.xdg import Paths

_log = logging.getLogger(__name__)
_REVIVE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that the main thread looks after."""

    indexer: Indexer
    board: StatusBoard


@contextmanager
def assembled(config: Config, paths: Paths) -> Iterator[Running]:
    """Run all parts for the length of the block: started top to bottom, stopped bottom to top."""
    with ExitStack() as running:
        spec = resolve(config.model, paths.models, paths.cache)
        catalog, note = open_catalog(paths.state, time.time())
        running.enter_context(closing(catalog))
        reader = running.enter_context(closing(CatalogReader(paths.state / "catalog.sqlite")))
        with catalog.writing():
            model = catalog.model(spec)
            roots = _enter_roots(catalog, config)
        follower = IndexFollower(reader, model, spec, config.index.kind, paths.state)
        _log.info("%s", follower.start())

        hold = Hold(config.power)
        states = Roots(roots, reader)
        rules = Rules(config.watch, roots)
        backlog = Backlog(config.watch.settle, config.watch.settle_max)
        inbox = Inbox(backlog.wake)
        encoder = running.enter_context(closing(Encoder(spec, config.encoder, paths.cache)))
        pool = running.enter_context(
            DecoderPool(
                config.decoder,
                spec.preprocess,
                known=lambda content_hash: reader.has_vector(model, content_hash),
                report=lambda job, outcome: inbox.post(Read(job, outcome)),
            )
        )
        batches = running.enter_context(Batches(encoder, config.encoder.batch, inbox.post))
        changes = Changes(backlog, lambda folder: _expand(reader, rules, states, folder))
        ...
        yield Running(indexer, board)
