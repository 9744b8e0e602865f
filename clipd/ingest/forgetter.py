"""Dropping the vectors of models that are not in use, beside the indexer's other work."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from concurrent.futures import TimeoutError as CallTimeoutError
from typing import Final, TypeVar

from clipd.errors import RequestError
from clipd.ingest.inbox import Inbox
from clipd.store.catalog import Catalog
from clipd.store.other_models import Forgotten, forgetting, models_to_forget

_TURN_SECONDS = 60.0  # for a slice to come to its turn: a full disk holds turns up for 15


_END: Final = object()  # nothing is left to forget
T = TypeVar("T")


class Forgetter:
    """Forgets models through the one write path. For any thread."""

    def __init__(self, catalog: Catalog, inbox: Inbox, in_use: Container[str]) -> None:
        """Make a forgetter.

        Args:
            in_use: fingerprints of the model in use, and of one that is to be used next.
        """
        self._catalog = catalog
        self._inbox = inbox
        self._in_use = in_use

    def forget(self, name: str | None) -> Sequence[Forgotten]:
        """Drop the vectors of a model, or of all models that are not in use.

        Each slice is a call of its own to the indexer, so that photos go on being taken in.

        Raises:
            RequestError: there is no such model, it is in use, or the indexer is too busy.
        """
        slices = self._call(
            lambda: forgetting(self._catalog, models_to_forget(self._catalog, name, self._in_use))
        )
        forgotten = []
        while (step := self._call(lambda: next(slices, _END))) is not _END:
            if isinstance(step, Forgotten):
                forgotten.append(step)
        return forgotten

    def _call(self, work: Callable[[], T]) -> T:
        try:
            return self._inbox.call(work).result(_TURN_SECONDS)
        except CallTimeoutError as error:
            raise RequestError(
                "busy",
                "clipd did not come to it in a minute; what is forgotten stays so: try again later",
                503,
            ) from error
