"""Whether the disk holds what the catalog says: the roots walked, and every file read if asked."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from clipd.decode.opening import open_untouched
from clipd.errors import RootStalledError
from clipd.pathtext import shown
from clipd.photo import Fingerprint, same
from clipd.store.pace import Pace
from clipd.store.rows import KnownFile, LiveFile
from clipd.store.verify import DifferenceKind, PassedOver
from clipd.watch.disk_thread import DiskAccess
from clipd.watch.library import PhotoLibrary
from clipd.watch.look import Looker, Seen
from clipd.watch.root import Root
from clipd.watch.scan import folder_steps

_PAGE = 500
_CHUNK_BYTES = 1 << 20
_HASH_BYTES = 16  # of BLAKE2b, as the decoders take it

# Nothing is there, or no file: what walks the disk tells of it.
_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)

# "kept": the disk has nothing there, but that proves nothing, since another file system was
# mounted there when the file was last seen.
Finding = DifferenceKind | Literal["kept"]


@dataclass(frozen=True, slots=True)
class OtherContent:
    """A file whose bytes are not those that the catalog knows, though it looks the same."""

    known: LiveFile
    found: bytes | None  # the hash of its bytes now; None: they cannot be read


class DiskAudit:
    """Compares the roots with the catalog; only looks. For the thread of a check.

    A root whose disk stops to answer is passed over from there on.
    """

    def __init__(self, library: PhotoLibrary) -> None:
        self._library = library
        self._reader = library.reader
        self._roots = library.roots
        self._looker = Looker(library.roots, library.rules)
        self._given_up: dict[int, str] = {}  # roots whose disk stopped to answer, and its words
        self.bytes_read = 0

    def within_reach(self) -> list[Root]:
        """Return the roots that can be checked now."""
        return [root for root in self._roots if not self._why_not(root)]

    def passed_over(self) -> list[PassedOver]:
        """Return the roots that cannot be checked now, and why."""
        whys = [(root, self._why_not(root)) for root in self._roots]
        return [PassedOver(root.path, why) for root, why in whys if why]

    def count_files(self) -> int:
        """Return how many photos' files the catalog knows in the roots that can be checked."""
        counts = self._reader.root_counts()
        return sum(counts.get(root.id, 0) for root in self.within_reach())

    def walk(self, root: Root, pace: Pace) -> Iterator[bytes]:
        """Yield the paths of a root that seem to differ from the catalog.

        Raises:
            CheckStoppedError: the check was told to end.
        """
        pace.begin(f"folders of {shown(root.path)}", self._reader.count_folders(root.id))
        for step in folder_steps(self._library, root, root.path, deep=True):
            if step is None:
                pace.advance(1)
            else:
                yield step
        if self._roots.is_stalled(root):
            self._give_up(root)

    def finding(self, path: bytes) -> Finding | None:
        """Say how a path differs from what the catalog knows; None when it does not."""
        root = self._roots.of(path)
        if root is None or self._why_not(root):
            return None
        known = self._reader.known_at(path)
        fingerprint = known.fingerprint if known is not None else None
        device = fingerprint.device if fingerprint is not None else None
        return _compare(self._looker.look(path, device), known)

    def is_only_touched(self, path: bytes, pace: Pace) -> bool:
        """Whether a file that has changed by its looks has the bytes that are known; reads it.

        One hard link more or less, other rights or another owner change a file's ctime, and
        nobody is told so at its other paths. Of a file that is listed among the errors no bytes
        are known: the same size and mtime must do.

        Raises:
            CheckStoppedError: the check was told to end.
        """
        root, file = self._roots.of(path), self._reader.live_file(path)
        if root is None:
            return False
        if file is None:
            known, seen = self._reader.known_at(path), self._looker.look(path, None)
            return known is not None and _look_alike(seen.fingerprint, known.fingerprint)
        try:
            return self._hash_of(root, file, pace, 0) == file.content_hash
        except RootStalledError:
            self._give_up(root)
        except OSError:
            pass
        return False

    def other_contents(self, root: Root, pace: Pace) -> Iterator[OtherContent]:
        """Read the photos' files of a root; yield those whose bytes are not the known ones.

        A file that looks different from what the catalog knows is passed over: ``walk`` tells.

        Raises:
            CheckStoppedError: the check was told to end.
        """
        name = f"bytes of the files in {shown(root.path)}"
        pace.begin(name, self._reader.count_bytes(root.id))
        after = root.path
        while page := self._reader.live_files(root.id, after, _PAGE):
            for file in page:
                try:
                    differing = self._compare_bytes(root, file, pace)
                except RootStalledError:
                    self._give_up(root)
                    return
                if differing is not None:
                    yield differing
            after = page[-1].path

    def is_still_other(self, content: OtherContent) -> bool:
        """Whether the catalog still takes a file for what it is not."""
        row = self._reader.live_file(content.known.path)
        if row is None or row.content_hash == content.found:
            return False
        # A row that is doubted waits to be read again.
        return row.is_doubted or row.fingerprint == content.known.fingerprint

    def _why_not(self, root: Root) -> str:
        """Say why a root cannot be checked; "" when it can."""
        state = self._roots.state(root.id)
        return state.reason if state.is_away else self._given_up.get(root.id, "")

    def _give_up(self, root: Root) -> None:
        self._given_up[root.id] = self._roots.state(root.id).reason or "its disk did not answer"

    def _compare_bytes(self, root: Root, file: LiveFile, pace: Pace) -> OtherContent | None:
        try:
            found = self._hash_of(root, file, pace, file.fingerprint.size_bytes)
        except OSError as error:
            return None if error.errno in _NO_FILE else OtherContent(file, None)
        if found is None or found == file.content_hash:
            return None
        # Unless the file was read anew by the indexer in the meantime.
        return OtherContent(file, found) if self._reader.live_file(file.path) == file else None

    def _hash_of(self, root: Root, file: LiveFile, pace: Pace, step: int) -> bytes | None:
        """Return what ``_Reading.hash`` does, and tell the pace that ``step`` more is done."""
        disk = self._roots.disk(root)
        reading = _Reading(file, disk, pace)
        try:
            return disk.ask(reading.hash)
        finally:
            self.bytes_read += reading.bytes_read
            pace.advance(step, reading.computed_seconds)


class _Reading:
    """One file, read from end to end on the thread that asks its disk."""

    def __init__(self, file: LiveFile, disk: DiskAccess, pace: Pace) -> None:
        self._file = file
        self._disk = disk
        self._pace = pace
        self.bytes_read = 0
        self.computed_seconds = 0.0

    def hash(self) -> bytes | None:
        """Return the hash of the file's bytes; None when it is not the file that is known.

        Raises:
            OSError: the disk does not give it out.
        """
        begun = time.thread_time()
        opened = open_untouched(self._file.path)
        try:
            if not _is_as_known(opened, self._file):
                return None
            digest = self._digest(opened)
            return digest if _is_as_known(opened, self._file) else None
        finally:
            os.close(opened)
            self.computed_seconds = time.thread_time() - begun

    def _digest(self, opened: int) -> bytes | None:
        digest = hashlib.blake2b(digest_size=_HASH_BYTES)
        while chunk := os.read(opened, _CHUNK_BYTES):
            if self._pace.is_stopped:
                return None
            self._disk.beat()
            digest.update(chunk)
            self.bytes_read += len(chunk)
        # A library that is read whole would push everything else out of the system's cache.
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        return digest.digest()


def _is_as_known(opened: int, file: LiveFile) -> bool:
    return _look_alike(Fingerprint.of(os.fstat(opened)), file.fingerprint)


def _look_alike(one: Fingerprint | None, other: Fingerprint | None) -> bool:
    """Whether both are known, with the same size and mtime."""
    if one is None or other is None:
        return False
    return (one.size_bytes, one.mtime_ns) == (other.size_bytes, other.mtime_ns)


def _compare(seen: Seen, known: KnownFile | None) -> Finding | None:
    if seen.kind in ("stalled", "unsure"):
        return None
    if seen.kind == "absent":
        return _compare_absent(seen, known)
    if not seen.is_wanted:
        return "ignored" if known is not None else None
    if seen.kind == "file":
        return _compare_file(seen, known)
    if seen.trouble:
        # What is listed among the errors is known to be out of reach.
        is_listed = known is not None and known.kind is not None
        return None if is_listed or seen.is_root or seen.is_folder_unreadable else "unreadable"
    return "gone" if known is not None else None  # a folder, or no file, where a file was


def _compare_absent(seen: Seen, known: KnownFile | None) -> Finding | None:
    if known is None:
        return None
    is_photo = known.kind is None
    return "kept" if is_photo and not seen.is_deleted else "gone"


def _compare_file(seen: Seen, known: KnownFile | None) -> Finding | None:
    if known is None:
        return "unknown"
    # One that is skipped for its name is not looked at; one without a fingerprint could not be,
    # and is tried again with every scan.
    if known.kind == "skipped" or known.fingerprint is None or seen.fingerprint is None:
        return None
    verdict = same(known.fingerprint, seen.fingerprint, stable_inodes=seen.has_stable_inodes)
    return "changed" if verdict == "changed" else None
