"""The parts of the daemon, grouped by what they are for."""

from __future__ import annotations

from dataclasses import dataclass

from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.ingest.changeover import Changeover
from clipd.ingest.inbox import Inbox
from clipd.ingest.indexer import Indexer
from clipd.ingest.pause import Pause
from clipd.watch.roots import Roots
from clipd.watch.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Children:
    """What works in processes of its own."""

    encoder: Encoder
    pool: DecoderPool


@dataclass(frozen=True, slots=True)
class WritePath:
    """What keeps the catalog equal to the disk, and what holds it up."""

    roots: Roots
    watcher: Watcher
    inbox: Inbox
    indexer: Indexer
    pause: Pause
    changeover: Changeover | None  # to another model, while one is prepared
