"""What the API can ask of the daemon. Every method is for any thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from clipd.daemon.parts import WritePath
from clipd.daemon.photo_info import PhotoInfo
from clipd.daemon.status import StatusBoard
from clipd.errors import RequestError
from clipd.ingest.forgetter import Forgetter
from clipd.ingest.importer import Importer
from clipd.ingest.verifier import Check, Verifier
from clipd.json_types import JsonValue
from clipd.photo import Fitted
from clipd.search.completion import Completion
from clipd.search.query import Answer, DuplicateAnswer, Query, Sameness
from clipd.search.query_keys import Surroundings
from clipd.search.search import Search
from clipd.search.thumbnails import Thumbnails
from clipd.serve.protocol import Service
from clipd.store.other_models import Forgotten
from clipd.store.reader import CatalogReader
from clipd.store.rows import FailureRow
from clipd.store.vector_file import PortablePhoto
from clipd.store.vector_intake import Imported
from clipd.store.verify import CheckScope


class Daemon(Service):
    """The daemon as its clients see it."""

    def __init__(
        self,
        search: Search,
        thumbnails: Thumbnails,
        board: StatusBoard,
        verifier: Verifier,
        forgetter: Forgetter,
        importer: Importer,
        reader: CatalogReader,
        write_path: WritePath,
    ) -> None:
        self._search = search
        self._thumbnails = thumbnails
        self._board = board
        self._verifier = verifier
        self._forgetter = forgetter
        self._importer = importer
        self._reader = reader
        self._write_path = write_path
        self._photo_info = PhotoInfo(reader.records, write_path.roots)

    def search_known(self, query: Query) -> Answer | None:
        """See :meth:`clipd.search.search.Search.answer_known`."""
        return self._search.answer_known(query)

    def search(self, query: Query) -> Answer:
        """Find photos; see :meth:`clipd.search.search.Search.answer`."""
        return self._search.answer(query)

    def thumbnail(self, photo: int, side: int) -> bytes:
        """Make a photo small; see :meth:`clipd.search.thumbnails.Thumbnails.draw`."""
        return self._thumbnails.draw(photo, side)

    def fit(self, photo: int, box: tuple[int, int]) -> Fitted:
        """Make pixels of a photo; see :meth:`clipd.search.thumbnails.Thumbnails.fit`."""
        return self._thumbnails.fit(photo, box)

    def complete(self, text: str, at: int, around: Surroundings) -> Completion:
        """Complete a query; see :meth:`clipd.search.search.Search.complete`."""
        return self._search.complete(text, at, around)

    def duplicates(self, sameness: Sameness, limit: int) -> DuplicateAnswer:
        """Find groups of the same; see :meth:`clipd.search.search.Search.duplicates`."""
        return self._search.duplicates(sameness, limit)

    def status(self) -> Mapping[str, JsonValue]:
        """Return the state of the daemon; see :meth:`clipd.daemon.status.StatusBoard.status`."""
        return self._board.status()

    def errors(self, after: bytes, limit: int, skipped: bool) -> Sequence[FailureRow]:
        """List the files that are not among the photos, by path, after a path."""
        return self._reader.failures(after, limit, skipped)

    def photo(self, photo: int) -> Mapping[str, JsonValue]:
        """Tell all about a photo; see :meth:`clipd.daemon.photo_info.PhotoInfo.of_photo`."""
        return self._photo_info.of_photo(photo)

    def info(self, path: bytes) -> Mapping[str, JsonValue]:
        """Tell all about a path; see :meth:`clipd.daemon.photo_info.PhotoInfo.at_path`."""
        return self._photo_info.at_path(path)

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
        return self._forgetter.forget(model)

    def switch_model(self) -> None:
        """Go over to the configured model now.

        Raises:
            RequestError: it is in use.
        """
        changeover = self._write_path.changeover
        if changeover is None:
            raise RequestError(
                "no_next_model",
                "the configured model is in use; choose another one with: clipd model use NAME",
                409,
            )
        changeover.switch_now()

    def take_in(self, model: str, fingerprint: str, photos: Sequence[PortablePhoto]) -> Imported:
        """Keep vectors made elsewhere; see :class:`clipd.ingest.importer.Importer`."""
        return self._importer.take_in(model, fingerprint, photos)

    def verify(self, scope: CheckScope) -> Check:
        """Start a check; see :meth:`clipd.ingest.verifier.Verifier.start`."""
        return self._verifier.start(scope)
