"""What the API can ask of the daemon. Every method is for any thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as CallTimeoutError

from clipd.daemon.parts import WritePath
from clipd.daemon.status import StatusBoard
from clipd.errors import RequestError
from clipd.ingest.forgetter import Forgetter
from clipd.json_types import JsonValue
from clipd.search.query import Answer, Query
from clipd.search.search import Search
from clipd.serve.protocol import Service
from clipd.store.catalog import Catalog
from clipd.store.other_models import Forgotten
from clipd.store.rows import FailureRow
from clipd.store.verify import Verdict, verify
from clipd.store.view import StoreView

_VERIFY_SECONDS = 600.0


class Daemon(Service):
    """The daemon as its clients see it."""

    def __init__(
        self,
        search: Search,
        board: StatusBoard,
        catalog: Catalog,
        stored: StoreView,
        write_path: WritePath,
    ) -> None:
        self._search = search
        self._board = board
        self._catalog = catalog
        self._stored = stored
        self._write_path = write_path

    def search_known(self, query: Query) -> Answer | None:
        """See :meth:`clipd.search.search.Search.answer_known`."""
        return self._search.answer_known(query)

    def search(self, query: Query) -> Answer:
        """Find photos; see :meth:`clipd.search.search.Search.answer`."""
        return self._search.answer(query)

    def status(self) -> Mapping[str, JsonValue]:
        """Return the state of the daemon; see :meth:`clipd.daemon.status.StatusBoard.status`."""
        return self._board.status()

    def errors(self, after: bytes, limit: int, skipped: bool) -> Sequence[FailureRow]:
        """List the files that are not among the photos, by path, after a path."""
        return self._stored.reader.failures(after, limit, skipped)

    def rescan(self, path: bytes | None) -> None:
        """Have a folder, a file or everything compared with the catalog.

        Raises:
            RequestError: the path lies in no root.
        """
        if path is not None:
            root = self._write_path.roots.of(path)
            if root is None:
                raise RequestError(
                    "outside_roots",
                    f"{os.fsdecode(path)} lies in none of the watched folders; "
                    "see them with: clipctl status",
                )
            self._write_path.indexer.retry(path)
        self._write_path.watcher.rescan(path)

    def pause(self) -> None:
        """Hold new work; searches go on."""
        self._write_path.pause.pause()

    def resume(self) -> None:
        """Let work go on."""
        self._write_path.pause.resume()
        self._write_path.inbox.post(None)

    def forget(self, model: str | None) -> Sequence[Forgotten]:
        """Drop vectors of former models; see :class:`clipd.ingest.forgetter.Forgetter`."""
        in_use = self._stored.spec.fingerprint
        return Forgetter(self._catalog, self._write_path.inbox, in_use).forget(model)

    def verify(self, repair: bool) -> Verdict:
        """Compare catalog and index, between two turns of the indexer."""
        stored = self._stored
        check = self._write_path.inbox.call(
            lambda: verify(self._catalog, stored.reader, stored.follower, repair=repair)
        )
        try:
            return check.result(_VERIFY_SECONDS)
        except CallTimeoutError as error:
            raise RequestError(
                "busy", "the check did not come to its turn in ten minutes; try again later", 503
            ) from error
