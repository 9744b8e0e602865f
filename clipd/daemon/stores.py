"""What is on disk, opened: the catalog, the index of one model, and what both are about."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial

from clipd.config.folders import Paths
from clipd.config.options import Config
from clipd.daemon.model_choice import ChosenModel, choose_model
from clipd.ingest.changeover import NextModel
from clipd.ingest.retirement import Retirement
from clipd.store.backup import open_catalog
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.index_protocol import Follower
from clipd.store.milvus_follow import MilvusFollower
from clipd.store.milvus_link import MilvusLink
from clipd.store.reader import CatalogReader
from clipd.store.view import StoreView
from clipd.watch.root import Root

_log = logging.getLogger(__name__)
_RETIREMENT_SECONDS = 0.2  # of a start: what many photos left behind is retired beside the rest


@dataclass(frozen=True, slots=True)
class Stores:
    """What is on disk, opened, for the one who writes."""

    catalog: Catalog
    stored: StoreView
    roots: tuple[Root, ...]
    retirement: Retirement
    notes: tuple[str, ...]
    absence: str  # why the model makes no vectors, "" where it does
    following: NextModel | None  # the model that is to be used next

    @property
    def models(self) -> tuple[NextModel, ...]:
        """The model in use, and the one that is to be used next."""
        used = NextModel(self.stored.model, self.stored.spec)
        return (used, self.following) if self.following else (used,)


def open_stores(
    running: ExitStack, config: Config, paths: Paths, needs_model: bool, go_over_to: str
) -> Stores:
    """Open all of it for the length of ``running``, the index filled.

    Args:
        needs_model: do not begin without the weights of the model.
        go_over_to: fingerprint of a model that is to be used at once, whatever it lacks.

    Raises:
        StoreUnavailableError: the catalog cannot be had, or its disk has no room.
        ModelError: there is no model to work with.
    """
    catalog, note = open_catalog(paths.state, time.time())
    running.enter_context(closing(catalog))
    if note:
        _log.warning("%s", note)
    reader = running.enter_context(closing(CatalogReader(catalog.file, catalog.access)))
    with catalog.writing():
        model = choose_model(
            catalog,
            config.model,
            paths,
            is_needed=needs_model,
            go_over_to=go_over_to,
            is_far=config.encoder.socket is not None,
        )
        roots = _enter_roots(catalog, config)
    retirement = Retirement(catalog, [root.id for root in roots])
    retirement.go_on(_RETIREMENT_SECONDS)
    follower = _follower(config, paths, catalog, reader, model)
    running.callback(follower.close)
    _log.info("%s", follower.start())
    stored = StoreView(model.spec, model.id, reader, follower)
    notes = (note,) if note else ()
    return Stores(catalog, stored, roots, retirement, notes, model.absence, model.following)


def _follower(
    config: Config, paths: Paths, catalog: Catalog, reader: CatalogReader, model: ChosenModel
) -> Follower:
    drop = partial(_drop, catalog, model.id)
    if config.index.kind == "milvus":
        link = MilvusLink(config.index.uri, config.index.token_file)
        return MilvusFollower(reader, model.id, model.spec, link, drop)
    return IndexFollower(
        reader,
        model.id,
        model.spec,
        config.index,
        paths.state,
        drop=drop,
        keep_seconds=config.store.keep,
    )


def _drop(catalog: Catalog, model: int, photos: Sequence[int]) -> None:
    with catalog.writing():
        catalog.drop_vectors(model, photos)


def _enter_roots(catalog: Catalog, config: Config) -> tuple[Root, ...]:
    """Give every configured root its id."""
    roots = []
    for each in config.roots:
        path = os.fsencode(each.path)
        roots.append(Root(catalog.root(path), path, each))
    return tuple(roots)
