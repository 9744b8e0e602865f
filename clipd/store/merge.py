"""A new base of the index, built in a child process while answers and changes go on."""

from __future__ import annotations

import dataclasses
import select
from pathlib import Path
from typing import cast

from clipd.config.options import IndexConfig
from clipd.errors import ChildError, StoreUnavailableError
from clipd.json_types import JsonObject
from clipd.process.child import Child
from clipd.store.reader import CatalogReader
from clipd.store.snapshot import Identity
from clipd.store.sqlite import Access

_NICE = 15


class Merge:
    """At most one child at a time. For the thread that writes the index."""

    def __init__(
        self,
        reader: CatalogReader,
        model: int,
        identity: Identity,
        config: IndexConfig,
        folder: Path,
    ) -> None:
        """Name what is built.

        Args:
            reader: of the catalog.
            model: whose vectors, as the catalog numbers it.
            identity: of the snapshot.
            config: of the index.
            folder: of the snapshots.
        """
        self._reader = reader
        self._order: JsonObject = {
            "file": str(reader.file),
            "model": model,
            "identity": cast(JsonObject, dataclasses.asdict(identity)),
            "config": {
                "kind": config.kind,
                "exact_up_to": config.exact_up_to,
                "nprobe": config.nprobe,
            },
            "folder": str(folder),
        }
        self._child: Child | None = None

    @property
    def is_running(self) -> bool:
        """Whether a base is being built. Any thread."""
        return self._child is not None

    def begin(self) -> None:
        """Start a child, unless one is at work, or could not open the catalog beside us.

        Raises:
            StoreUnavailableError: no process can be started.
        """
        if self._child is not None or self._reader.access is not Access.SHARED:
            return
        try:
            child = Child("clipd.store.merge_worker", nice=_NICE)
            child.lanes[0].send(self._order)
        except (ChildError, OSError) as error:
            raise StoreUnavailableError(f"no new base of the index is built: {error}") from error
        self._child = child

    def poll(self) -> int | None:
        """Return the generation of a base that is ready; None where there is none.

        Raises:
            StoreUnavailableError: it could not be written.
        """
        if self._child is None or not select.select([self._child.lanes[0]], [], [], 0)[0]:
            return None
        problem = "its process ended"
        try:
            message = self._child.lanes[0].receive(0)
        except (ChildError, OSError) as error:
            message, problem = None, str(error)
        self.stop()
        answer = message.header if message is not None else {}
        generation = answer.get("generation")
        if not isinstance(generation, int):
            raise StoreUnavailableError(
                f"no new base of the index is built: {answer.get('error', problem)}"
            )
        return generation

    def stop(self) -> None:
        """End the child at once, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None
