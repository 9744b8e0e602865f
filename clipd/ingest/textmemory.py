"""Vectors of queries, kept in the catalog so that a repeated query never waits for the model."""

from __future__ import annotations

import logging
import time

import numpy as np
from numpy.typing import NDArray

from clipd.errors import StoreUnavailableError
from clipd.ingest.inbox import Inbox
from clipd.store.catalog import Catalog

_log = logging.getLogger(__name__)


class TextMemory:
    """Has the indexer's thread write what any thread wants remembered."""

    def __init__(self, catalog: Catalog, model: int, inbox: Inbox) -> None:
        self._catalog = catalog
        self._model = model
        self._inbox = inbox

    def remember(self, text: str, vector: NDArray[np.float32]) -> None:
        """Keep the vector of a text; soon, not at once."""
        self._inbox.tell(lambda: self._write(text, vector))

    def _write(self, text: str, vector: NDArray[np.float32]) -> None:
        try:
            with self._catalog.writing():
                self._catalog.put_text_vector(self._model, text, vector, int(time.time()))
        except StoreUnavailableError as error:
            _log.warning("the vector of a query is not kept: %s", error)
