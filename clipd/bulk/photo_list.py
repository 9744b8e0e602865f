"""The files that a daemon would take up in some folders: by the same rules, one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from clipd.bulk.batch import RefusedFile
from clipd.config.options import Config, RootConfig
from clipd.decode.formats import is_picture_name
from clipd.decode.sidecar import is_sidecar_name
from clipd.errors import BulkError
from clipd.store.vector_file import PortableFile
from clipd.watch.listing import UNSEEN, Listing, is_wanted, list_folder
from clipd.watch.root import Root, is_within
from clipd.watch.rules import Rules

Refuse = Callable[[RefusedFile], object]


class PhotoList:
    """Lists pictures below folders, as the configuration says what is left out. For any thread."""

    def __init__(self, config: Config, folders: Sequence[Path]) -> None:
        """Look at the folders; nothing below them is listed yet.

        Raises:
            BulkError: one is no folder, or is left out by the configuration.
        """
        tops = sorted({os.fsencode(os.path.abspath(folder)) for folder in folders})
        self.folders = tuple(
            top for top in tops if not any(top != each and is_within(top, each) for each in tops)
        )
        self._roots = [_root_of(number, top, config) for number, top in enumerate(self.folders)]
        self._rules = Rules(config.watch, self._roots)
        for top, root in zip(self.folders, self._roots, strict=True):
            name = os.fsdecode(top)
            if not os.path.isdir(top):
                raise BulkError(f"{name} is no folder here; name folders that are there")
            if top != root.path and not is_wanted(self._rules, root, top, is_folder=True):
                raise BulkError(f"{name} is left out by the configuration: see exclude and hidden")

    def files(self, refuse: Refuse) -> Iterator[PortableFile]:
        """Yield every file that is a picture by its name.

        Args:
            refuse: told of each folder or file that cannot be looked at.
        """
        for root, top in zip(self._roots, self.folders, strict=True):
            waiting = [top]
            while waiting:
                folder = waiting.pop()
                try:
                    found = list_folder(self._rules, root, folder)
                except OSError as error:
                    refuse(_unreadable(folder, f"the folder cannot be read: {error.strerror}"))
                    continue
                yield from _pictures(folder, found, refuse)
                waiting += [os.path.join(folder, name) for name in reversed(found.folders)]


def _pictures(folder: bytes, found: Listing, refuse: Refuse) -> Iterator[PortableFile]:
    for name, seen in found.files:
        if is_sidecar_name(name) or not is_picture_name(name):
            continue
        path = os.path.join(folder, name)
        if seen == UNSEEN:
            refuse(_unreadable(path, "the system cannot look at it"))
        else:
            yield PortableFile(path, seen.size_bytes, seen.mtime_ns)


def _root_of(number: int, top: bytes, config: Config) -> Root:
    """Return the root that a folder lies in; one of its own where the configuration has none."""
    for configured in config.roots:
        path = os.fsencode(os.path.abspath(configured.path.expanduser()))
        if is_within(top, path):
            return Root(number, path, configured)
    return Root(number, top, RootConfig(path=Path(os.fsdecode(top))))


def _unreadable(path: bytes, reason: str) -> RefusedFile:
    return RefusedFile(PortableFile(path, 0, 0), "unreadable", reason)
