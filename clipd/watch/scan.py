"""Compare the disk with the catalog, folder by folder, in the memory of one folder.

The disk is walked in byte order of the paths, which is the order in which the catalog lists
its folders, so that folders that are gone are found by merging the two.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from clipd.errors import RootStalledError
from clipd.photo import Fingerprint, same
from clipd.watch.disk_thread import DiskAccess
from clipd.watch.filesystems import filesystem_of
from clipd.watch.library import PhotoLibrary
from clipd.watch.listing import Listing, folder_trouble, is_wanted, list_folder
from clipd.watch.root import Root, is_within

if TYPE_CHECKING:
    from clipd.store.rows import KnownFile

_PAGE = 1000

Visit = tuple[bytes, Listing | OSError]


def folder_steps(
    library: PhotoLibrary, root: Root, folder: bytes, deep: bool
) -> Iterator[bytes | None]:
    """Yield the paths in a folder that differ from the catalog: new, changed or gone.

    A folder that cannot be read is yielded itself, and so is one that can be read again; what
    the catalog knows below it is left alone. Below a folder that is gone, or is not to be looked
    at any more, every known path is yielded. What to do about a path is for the caller to see.

    Yields None behind every folder: a million files that are as they were take minutes on a slow
    disk, and whoever has other things to do can see to them there. Ends early when the disk does
    not answer: a root that was stalled is scanned as a whole when it is back.

    Args:
        library: where everything is.
        root: the root that the folder lies in.
        folder: an absolute path.
        deep: with all folders below.
    """
    comparison = _Comparison(library, root, library.roots.disk(root))
    with suppress(RootStalledError):
        if not comparison.is_wanted(folder):
            yield from comparison.known_within(folder)
            return
        for path, listing in comparison.walk(folder, deep):
            yield from comparison.differences(path, listing)
            yield None


def differing_folders(
    library: PhotoLibrary,
    root: Root,
    on_folder: Callable[[os.stat_result, bytes], None],
    on_unreadable: Callable[[bytes, OSError], None],
) -> Iterator[tuple[bytes, int]]:
    """Walk a whole root; yield each folder that differs and by how many paths.

    For the root's own thread, which waits as long as its disk does.

    Args:
        library: where everything is.
        root: the root.
        on_folder: called with every folder that was read; what it raises ends the scan.
        on_unreadable: called with every folder that could not be read, and why.
    """
    comparison = _Comparison(library, root, library.roots.pulse(root))
    for path, listing in comparison.walk(root.path, deep=True):
        if isinstance(listing, Listing):
            try:
                on_folder(os.stat(path), path)
            except FileNotFoundError:
                continue  # gone since; the scan of the folder above, or an event, tells
        elif not _is_gone(listing):
            on_unreadable(path, listing)
        count = sum(1 for _ in comparison.differences(path, listing))
        if count:
            yield path, count


class _Comparison:
    """One root on disk and in the catalog, during one scan. All looks at the disk go one way."""

    def __init__(self, library: PhotoLibrary, root: Root, disk: DiskAccess) -> None:
        self._reader = library.reader
        self._rules = library.rules
        self._root = root
        self._disk = disk
        self._has_stable_inodes: dict[int, bool] = {}  # by device

    def is_wanted(self, folder: bytes) -> bool:
        """Whether the rules let a folder be looked at."""
        return self._disk.ask(lambda: is_wanted(self._rules, self._root, folder, is_folder=True))

    def walk(self, top: bytes, deep: bool) -> Iterator[Visit]:
        """Yield the folders on disk and in the catalog, in byte order, each with what it holds."""
        unreadable: set[bytes] = set()
        known = self._known_folders(top) if deep else iter(())
        waiting = next(known, None)
        for path, listing in self._folders_on_disk(top, deep):
            while waiting is not None and waiting < path:
                if not _has_above(waiting, top, unreadable):
                    yield waiting, FileNotFoundError()
                waiting = next(known, None)
            if waiting == path:
                waiting = next(known, None)
            if isinstance(listing, OSError) and self._tells_nothing(path, listing):
                unreadable.add(path)
            yield path, listing
        while waiting is not None:
            if not _has_above(waiting, top, unreadable):
                yield waiting, FileNotFoundError()
            waiting = next(known, None)

    def differences(self, folder: bytes, found: Listing | OSError) -> Iterator[bytes]:
        """Yield the paths in one folder, not below it, that differ."""
        if isinstance(found, Listing):
            yield from self._merged(folder, found)
        elif folder == self._root.path:
            return  # its state tells
        elif _is_gone(found):
            yield from self._known_in(folder)
        else:
            yield folder

    def _tells_nothing(self, folder: bytes, error: OSError) -> bool:
        """Whether what the catalog knows below a folder may still be there."""
        return folder == self._root.path or not _is_gone(error)

    def known_within(self, folder: bytes) -> Iterator[bytes]:
        """Yield every path that the catalog knows in a folder and below it."""
        yield from self._known_in(folder)
        for below in self._known_folders(folder):
            yield from self._known_in(below)

    def _folders_on_disk(self, top: bytes, deep: bool) -> Iterator[Visit]:
        waiting = [top]
        while waiting:
            # What lies below a folder sorts after it, so the smallest waiting one is the next.
            path = heapq.heappop(waiting)
            try:
                listing = self._list(path)
            except OSError as error:
                yield path, error
                continue
            yield path, listing
            if deep:
                for name in listing.folders:
                    heapq.heappush(waiting, os.path.join(path, name))

    def _list(self, folder: bytes) -> Listing:
        return self._disk.ask(lambda: list_folder(self._rules, self._root, folder, self._disk.beat))

    def _known_folders(self, top: bytes) -> Iterator[bytes]:
        """Yield the folders below ``top`` in which the catalog knows something, in byte order."""
        after = top.rstrip(b"/") + b"/"
        while True:
            page = self._reader.folders(self._root.id, after, _PAGE)
            for folder in page:
                if not is_within(folder, top):
                    return
                yield folder
            if len(page) < _PAGE:
                return
            after = page[-1]

    def _known_rows(self, folder: bytes) -> Iterator[KnownFile]:
        after = b""
        while True:
            page = self._reader.folder_rows(folder, after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].name

    def _known_in(self, folder: bytes) -> Iterator[bytes]:
        for row in self._known_rows(folder):
            yield os.path.join(folder, row.name)

    def _merged(self, folder: bytes, found: Listing) -> Iterator[bytes]:
        folders = set(found.folders)
        rows = self._known_rows(folder)
        row = next(rows, None)
        for name, seen in found.files:
            while row is not None and row.name < name:
                yield from self._missing(folder, row.name, folders)
                row = next(rows, None)
            if row is not None and row.name == name:
                if not self._is_same(folder, row, seen):
                    yield os.path.join(folder, name)
                row = next(rows, None)
            else:
                yield os.path.join(folder, name)
        while row is not None:
            yield from self._missing(folder, row.name, folders)
            row = next(rows, None)

    def _missing(self, folder: bytes, name: bytes, folders: set[bytes]) -> Iterator[bytes]:
        path = os.path.join(folder, name)
        # A row with the name of a folder says that it could not be read; it may still be so.
        if name not in folders or self._disk.ask(lambda: folder_trouble(path)) is None:
            yield path

    def _is_same(self, folder: bytes, row: KnownFile, seen: Fingerprint) -> bool:
        if row.kind == "skipped":
            return True  # for its name, which is the same
        if row.fingerprint is None:
            return False  # it could not even be looked at
        stable = self._stable_inodes(folder, seen.device)
        return same(row.fingerprint, seen, stable_inodes=stable) == "same"

    def _stable_inodes(self, folder: bytes, device: int) -> bool:
        if device not in self._has_stable_inodes:
            filesystem = self._disk.ask(lambda: filesystem_of(folder))
            self._has_stable_inodes[device] = filesystem.has_stable_inodes
        return self._has_stable_inodes[device]


def _is_gone(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _has_above(path: bytes, top: bytes, folders: set[bytes]) -> bool:
    while folders and len(path) > len(top):
        path = os.path.dirname(path)
        if path in folders:
            return True
    return False
