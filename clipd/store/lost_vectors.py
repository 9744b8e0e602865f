"""Vectors that were damaged on the disk: dropped, and awaited anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from clipd.errors import StoreUnavailableError
from clipd.store.reader import CatalogReader
from clipd.store.vectors import VectorPage

_log = logging.getLogger(__name__)
_SHOWN = 5  # photos that a sentence names


class LostVectors:
    """Notes whose vectors are damaged, and has them dropped, so that they are encoded again.

    The indexer's thread; ``trouble`` is for any.
    """

    def __init__(
        self, drop: Callable[[Sequence[int]], None] | None, has_all: Callable[[], bool]
    ) -> None:
        """Note nothing yet.

        Args:
            drop: takes the vectors of photos out of the catalog; called outside of a transaction.
            has_all: whether every photo has a vector.
        """
        self._drop = drop
        self._has_all = has_all
        self._damaged: frozenset[int] = frozenset()  # photos whose vectors are to be dropped
        self._lost: frozenset[int] = frozenset()  # those whose vectors were; to be encoded again

    def take_note(self, page: VectorPage) -> None:
        """Note what was damaged among vectors that were read, and what was not any more."""
        self._damaged |= set(page.damaged)
        if self._lost:
            self._lost -= set(page.ids.tolist())

    def drop(self) -> None:
        """Have damaged vectors dropped; where the disk refuses that, the next time does it."""
        if self._drop is None or not self._damaged:
            return
        try:
            self._drop(sorted(self._damaged))
        except StoreUnavailableError as error:
            _log.warning("damaged vectors are not dropped yet: %s", error)
            return
        self._damaged, self._lost = frozenset(), self._lost | self._damaged
        _log.warning("%s", self.trouble())

    def trouble(self) -> str:
        """Say whose vectors were damaged, until they are encoded again. Any thread."""
        photos = sorted(self._damaged | self._lost)
        if not photos or self._has_all():
            return ""
        shown = ", ".join(map(str, photos[:_SHOWN])) + (", ..." if len(photos) > _SHOWN else "")
        return (
            f"the vectors of {len(photos)} photos (ids {shown}) were damaged on the disk; they are "
            "made anew. Look at the system's log for errors of the disk"
        )


def has_all_vectors(reader: CatalogReader, model: int) -> bool:
    """Tell whether every photo has a vector of a model; those that were deleted are not awaited."""
    try:
        return not reader.counts(model).without_vector
    except StoreUnavailableError:
        return False
