"""What makes the vectors of the model that is to be used next, put together."""

from __future__ import annotations

import queue
from contextlib import ExitStack
from functools import partial

from clipd.config.folders import Paths
from clipd.config.options import Config
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.encode.models import is_large
from clipd.errors import StoreUnavailableError
from clipd.ingest.changeover import Changeover, NextModel, NextWorkers, Report
from clipd.ingest.inbox import Inbox
from clipd.ingest.pause import Pause
from clipd.store.catalog import Catalog
from clipd.store.reader import CatalogReader
from clipd.store.view import StoreView
from clipd.watch.roots import Roots

_NICE = 15  # levels behind clipd, so that searches hardly notice
_ENCODER_GRACE_SECONDS = 1.0


def made_changeover(
    running: ExitStack,
    config: Config,
    paths: Paths,
    following: NextModel,
    catalog: Catalog,
    stored: StoreView,
    roots: Roots,
    inbox: Inbox,
    pause: Pause,
) -> Changeover:
    """Make it, with children of its own, for the length of ``running``; start it when all stands.

    Args:
        following: the model that is to be used next.
    """
    spec = following.spec
    encoder = Encoder(
        spec,
        config.encoder,
        paths.cache,
        may_try=lambda: not pause.is_on,
        goes_ahead=is_large(spec),
        nice=_NICE,
    )
    reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
    pool = DecoderPool(
        config.decoder,
        spec.preprocess,
        partial(has_vector, stored.reader, following.id),
        lambda job, outcome: reports.put((job, outcome)),
        nice=_NICE,
    )
    changeover = Changeover(
        catalog,
        inbox,
        following,
        roots,
        NextWorkers(running.enter_context(pool), reports, encoder, config.encoder.batch),
        stored.follower.builder_of(following.id, spec),
    )
    running.callback(changeover.stop)
    # Before that: the thread may be waiting for a batch, or for the start of the encoder.
    running.callback(encoder.close, _ENCODER_GRACE_SECONDS)
    return changeover


def has_vector(reader: CatalogReader, model: int, content_hash: bytes) -> bool:
    """Tell whether a content need not be decoded for a model."""
    try:
        return reader.vectors.has(model, content_hash)
    except StoreUnavailableError:
        return False  # the photo is decoded, perhaps in vain; the indexer tells of the disk
