"""What the API can ask of the daemon. Every method is for any thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as CallTimeoutError

from clipd.daemon.status import StatusBoard
from clipd.errors import RequestError
from clipd.ingest.inbox import Inbox
from clipd.ingest.pause import Pause
from clipd.json_types import JsonValue
from clipd.search.query import Answer, Query
from clipd.search.search import Search
from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.reader import CatalogReader
from clipd.store.rows import FailureRow
from clipd.store.verify import Verdict, verify
from clipd.watch.roots import Roots
from clipd.watch.watcher import Watcher

_VERIFY_SECONDS = 600.0


class Daemon:
    """The daemon as its clients see it."""

    def __init__(
        self,
        *,
        search: Search,
        board: StatusBoard,
        catalog: Catalog,
        reader: CatalogReader,
        follower: IndexFollower,
        inbox: Inbox,
        watcher: Watcher,
        roots: Roots,
        pause: Pause,
    ) -> None:
        self._search = search
        self._board = board
        self._catalog = catalog
        self._reader = reader
        self._follower = follower
        self._inbox = inbox
        self._watcher = watcher
        self._roots = roots
        self._pause = pause

    def search(self, query: Query) -> Answer:
        """Find photos; see :meth:`clipd.search.search.Search.answer`."""
        return self._search.answer(query)

    def status(self) -> Mapping[str, JsonValue]:
        """Return the state of the daemon; see :meth:`clipd.daemon.status.StatusBoard.status`."""
        return self._board.status()

    def errors(self, after: bytes, limit: int, skipped: bool) -> Sequence[FailureRow]:
        """List the files that are not among the photos, by path, after a path."""
        return self._reader.failures(after, limit, skipped)

    def rescan(self, path: bytes | None) -> None:
        """Have a folder, a file or everything compared with the catalog.

        Raises:
            RequestError: the path lies in no root.
        """
        if path is not None:
            root = self._roots.of(path)
            if root is None:
                raise RequestError(
                    "outside_roots",
                    f"{os.fsdecode(path)} lies in none of the watched folders; "
                    "see them with: clipctl status",
                )
        self._watcher.rescan(path)

    def pause(self) -> None:
        """Hold new work; searches go on."""
        self._pause.pause()

    def resume(self) -> None:
        """Let work go on."""
        self._pause.resume()
        self._inbox.post(None)

    def verify(self, repair: bool) -> Verdict:
        """Compare catalog and index, between two turns of the indexer."""
        check = self._inbox.call(
            lambda: verify(self._catalog, self._reader, self._follower, repair=repair)
        )
        try:
            return check.result(_VERIFY_SECONDS)
        except CallTimeoutError as error:
            raise RequestError(
                "busy", "the check did not come to its turn in ten minutes; try again later", 503
            ) from error
