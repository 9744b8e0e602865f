"""What is on disk, as those see it who only read."""

from __future__ import annotations

from dataclasses import dataclass

from clipd.photo import ModelSpec
from clipd.store.index_protocol import Follower
from clipd.store.reader import CatalogReader


@dataclass(frozen=True, slots=True)
class StoreView:
    """The catalog, and the index of the vectors of the model in use."""

    spec: ModelSpec
    model: int  # the catalog's id of that model
    reader: CatalogReader
    follower: Follower
