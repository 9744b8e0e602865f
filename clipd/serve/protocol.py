"""What the API needs of the daemon: the seam between serving and doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from clipd.json_types import JsonValue
from clipd.photo import Fitted
from clipd.search.completion import Completion
from clipd.search.query import Answer, DuplicateAnswer, Query, Sameness
from clipd.search.query_keys import Surroundings
from clipd.store.other_models import Forgotten
from clipd.store.pace import StageProgress
from clipd.store.rows import FailureRow
from clipd.store.vector_file import PortablePhoto
from clipd.store.vector_intake import Imported
from clipd.store.verify import CheckScope, Verdict


class RunningCheck(Protocol):
    """A check that is under way."""

    @property
    def verdict(self) -> Future[Verdict]:
        """What it finds, in the end; or why it did not come to its end."""

    def progress(self) -> StageProgress:
        """Tell where it stands."""

    def stop(self) -> None:
        """End it; harmless when it is over."""


class Service(Protocol):
    """What can be asked for.

    Called on the threads of the server, several at a time. Every method may raise
    ``RequestError``, or any other ``ClipdError``, whose sentence then reaches the client.
    """

    def search_known(self, query: Query) -> Answer | None:
        """Answer a query for which no model is needed; None where one is. Quick."""

    def search(self, query: Query) -> Answer:
        """Find the photos that answer a query; waits for the model where it takes one."""

    def thumbnail(self, photo: int, side: int) -> bytes:
        """Return a small JPEG of a photo; waits for a decoder where it takes one."""

    def fit(self, photo: int, box: tuple[int, int]) -> Fitted:
        """Return a photo as pixels that fit into a box; waits as for a thumbnail."""

    def complete(self, text: str, at: int, around: Surroundings) -> Completion:
        """Return what the word of a query that ends at a character may become. Quick."""

    def duplicates(self, sameness: Sameness, limit: int) -> DuplicateAnswer:
        """Find photos of the whole library that are the same in a way; takes seconds."""

    def status(self) -> Mapping[str, JsonValue]:
        """Return the state of the daemon."""

    def errors(self, after: bytes, limit: int, skipped: bool) -> Sequence[FailureRow]:
        """List failures by folder and name, with the skipped files or without."""

    def photo(self, photo: int) -> Mapping[str, JsonValue]:
        """Return all that is known of a photo."""

    def info(self, path: bytes) -> Mapping[str, JsonValue]:
        """Return all that is known of what lies at a path, or lay there."""

    def rescan(self, path: bytes | None) -> None:
        """Have a part of the disk, or all of it, compared with the catalog."""

    def pause(self) -> None:
        """Stop indexing until resumed."""

    def resume(self) -> None:
        """Go on indexing."""

    def forget(self, model: str | None) -> Sequence[Forgotten]:
        """Drop the vectors of a model that is not in use; None: of all of those."""

    def switch_model(self) -> None:
        """Go over to the configured model, though photos lack its vectors."""

    def take_in(self, model: str, fingerprint: str, photos: Sequence[PortablePhoto]) -> Imported:
        """Keep vectors that the model in use has made elsewhere."""

    def verify(self, scope: CheckScope) -> RunningCheck:
        """Start to compare index, catalog and, if asked for, the disk."""
