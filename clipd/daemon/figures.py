"""Figures of the catalog that are to be had whatever its disk does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from clipd.errors import StoreUnavailableError
from clipd.store.rows import Counts
from clipd.store.view import StoreView

T = TypeVar("T")


class CatalogFigures:
    """Asks the catalog; where its disk refuses an answer, the last one stands. Any thread."""

    def __init__(self, stored: StoreView) -> None:
        self._stored = stored
        self._counts = Counts(0, 0, 0, 0, 0, 0)
        self._root_counts: dict[int, int] = {}
        self.trouble = ""  # why the figures are old, "" when they are not

    def counts(self) -> Counts:
        """Return how much there is."""
        self._counts = self._ask(
            lambda: self._stored.reader.counts(self._stored.model), self._counts
        )
        return self._counts

    def counts_of(self, model: int) -> Counts:
        """Return how much there is, with a model that is not the one in use."""
        return self._ask(lambda: self._stored.reader.counts(model), self._counts)

    def root_counts(self) -> dict[int, int]:
        """Return how many live paths each root has."""
        self._root_counts = self._ask(self._stored.reader.root_counts, self._root_counts)
        return self._root_counts

    def _ask(self, question: Callable[[], T], last: T) -> T:
        try:
            answer = question()
        except StoreUnavailableError as error:
            self.trouble = str(error)
            return last
        self.trouble = ""
        return answer
