"""Work that no change on disk asks for: photos without a vector, refusals that are due again."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import get_args

from clipd.ingest.reach import Reach
from clipd.ingest.settling import ToRead
from clipd.photo import FailureKind
from clipd.store.catalog import Catalog
from clipd.watch.roots import Roots

_log = logging.getLogger(__name__)
_PAGE = 500
_RETRY_EVERY_SECONDS = 30.0
_RETRIES_AT_ONCE = 256

# What a refusal of a kind depends on besides the file, as a short text; "" for nothing.
WorldOf = Callable[[FailureKind], str]


class Backfill:
    """Passes over the live photos without a vector of the model. The indexer's thread only.

    Photos under a root that is away are passed over; ``restart`` begins anew when it is back.
    ``is_done`` may be asked from any thread.
    """

    def __init__(self, catalog: Catalog, model: int, roots: Roots) -> None:
        self._catalog = catalog
        self._model = model
        self._reach = Reach(catalog, roots)
        self._page: deque[ToRead] = deque()
        self._after = 0
        self._is_done = False
        self._left: int | None = None  # photos that the last pass could do nothing about

    def restart(self) -> None:
        """Begin a new pass at the first photo."""
        self._page.clear()
        self._after = 0
        self._is_done = False
        self._left = None

    def look_again(self) -> None:
        """Begin a new pass if photos have come to lack a vector since the last one.

        A photo that was away while the model changed comes back by an undo or a rename, and
        a repair drops vectors. To be called when a pass is over and nothing is being encoded.
        """
        lacking = self._catalog.count_without_vector(self._model)
        if self._left is not None and lacking > self._left:
            self.restart()
        else:
            self._left = lacking

    @property
    def is_done(self) -> bool:
        """Whether the pass has handed out all that it found."""
        return self._is_done and not self._page

    def take(self) -> ToRead | None:
        """Return the next file to read; None when the pass is over, or for now.

        One page is looked through at a time, though none of its photos may be read just now: a
        drive that is away may hold a million, and the indexer has more to do.
        """
        if not self._page and not self._is_done:
            self._fill()
        return self._page.popleft() if self._page else None

    def _fill(self) -> None:
        found = self._catalog.photos_without_vector(self._model, self._after, _PAGE)
        if not found:
            self._is_done = True
            return
        self._after = found[-1][0]
        for photo, path in found:
            file = self._reach.file_of(photo, path)
            if file is not None:
                self._page.append(file)


class Retries:
    """Finds the refused files that are worth another try. The indexer's thread only."""

    def __init__(self, catalog: Catalog, world_of: WorldOf) -> None:
        """Make the retries.

        Args:
            world_of: tells what a refusal of a kind depends on besides the file.
        """
        self._catalog = catalog
        self._world_of = world_of
        self._is_world_compared = False
        self._look_at = 0.0  # time.monotonic()

    def have_under(self, path: bytes) -> None:
        """Make what was refused at a path and below it due now, because the user asks for it."""
        with self._catalog.writing():
            self._catalog.retry_under(path)
        self._look_at = 0.0

    def take(self) -> list[bytes]:
        """Return paths to look at again; none more often than every half minute."""
        now = time.monotonic()
        if now < self._look_at:
            return []
        if not self._is_world_compared:
            self._compare_worlds()
        due = self._catalog.failures_due(int(time.time()), _RETRIES_AT_ONCE)
        # A full page says that more are waiting behind it, once these are dealt with.
        self._look_at = now + (1.0 if len(due) == _RETRIES_AT_ONCE else _RETRY_EVERY_SECONDS)
        return due

    def _compare_worlds(self) -> None:
        """Make what was refused under other limits, or by other codecs, due now."""
        with self._catalog.writing():
            due = sum(
                self._catalog.retry_in_new_world(kind, self._world_of(kind))
                for kind in get_args(FailureKind)
                if self._world_of(kind)
            )
        self._is_world_compared = True
        if due:
            _log.info("%d files that were refused are tried again: limits or codecs changed", due)
