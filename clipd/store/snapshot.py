"""The index at rest: a cache that spares the rebuild, checked before it is trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clipd.durable import replacing
from clipd.errors import SnapshotError, StoreUnavailableError
from clipd.store.faults import translating
from clipd.store.index import IndexKind, VectorIndex

_log = logging.getLogger(__name__)

_FORMAT = 2  # 1 was of clipd 0.1, which let damaged vectors in
_KEPT = 2  # of each identity
_SYNC_BYTES = 32 << 20  # written between two looks at how fast the disk is


@dataclass(frozen=True, slots=True)
class Identity:
    """What a snapshot must have been made from, for it to be of use now."""

    lineage: str  # of the catalog
    model: str  # its fingerprint
    kind: IndexKind
    dim: int
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One saved index, as its JSON file tells it."""

    identity: Identity
    generation: int  # the journal up to here is in it
    count: int
    size_bytes: int
    sha256: str


class SnapshotFolder:
    """The snapshots in a folder. For one thread at a time."""

    def __init__(self, folder: Path, identity: Identity, keep_seconds: float) -> None:
        """Name a folder, which may not be there yet.

        Args:
            folder: where they lie.
            identity: of those that are of use now.
            keep_seconds: for how long those of another model are kept, for a change back.
        """
        self._folder = folder
        self._identity = identity
        self._keep_seconds = keep_seconds

    def found(self) -> list[Snapshot]:
        """Return the snapshots with this identity, the newest first; none of them checked."""
        return [snap for snap in self._all() if snap.identity == self._identity]

    def oldest_generation(self) -> int:
        """Return up to where every snapshot of this catalog has taken in the journal."""
        ours = self._identity.lineage
        generations = [snap.generation for snap in self._all() if snap.identity.lineage == ours]
        return min(generations, default=0)

    def save(self, index: VectorIndex, generation: int, deadline: float = math.inf) -> None:
        """Save an index.

        Args:
            index: what is saved.
            generation: the journal up to here is in it.
            deadline: a time of ``time.monotonic`` at which a disk was too slow.

        Raises:
            StoreUnavailableError: there is no room, or no time; older snapshots stand.
        """
        with translating(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = _name(self._identity, generation)
        digest = hashlib.sha256()
        # The bytes are hashed before they go to the disk, so the disk's errors are found too.
        with self._replacing(self._folder / f"{name}.faiss") as stream:
            sink = _TimedSink(stream, deadline)

            def write(piece: bytes) -> int:
                digest.update(piece)
                return sink.write(piece)

            index.write(write)
            sink.sync()
            size_bytes = stream.tell()
        snap = Snapshot(self._identity, generation, len(index), size_bytes, digest.hexdigest())
        # Written last: a snapshot without its JSON file is not seen.
        with self._replacing(self._folder / f"{name}.json") as stream:
            stream.write(json.dumps(dataclasses.asdict(snap), indent=1).encode())

    def prune(self, models: Container[str]) -> None:
        """Drop all but the two newest snapshots of each identity, and those that are of no use.

        Args:
            models: fingerprints of the models that are known; others were forgotten.
        """
        kept = set()
        counts: Counter[Identity] = Counter()
        for snap in self._all():
            counts[snap.identity] += 1
            name = _name(snap.identity, snap.generation)
            is_known = snap.identity.model in models
            if is_known and counts[snap.identity] <= _KEPT and self._is_of_use(snap, name):
                kept |= {f"{name}.faiss", f"{name}.json"}
        leftovers = self._folder.glob(".index-*.tmp")  # of a kill while one was written
        for file in (*self._folder.glob("index-*"), *leftovers):
            if file.name not in kept:
                with contextlib.suppress(OSError):
                    file.unlink()

    def load(self, snap: Snapshot) -> VectorIndex:
        """Load a snapshot whose every byte is as it was written.

        Raises:
            SnapshotError: it is damaged, or not what its JSON file says.
        """
        try:
            name = _name(snap.identity, snap.generation)
            with open(self._folder / f"{name}.faiss", "rb") as stream:
                # First the hash: FAISS reads flipped bits without a word, and a flipped size
                # makes it ask for more memory than there is.
                if hashlib.file_digest(stream, "sha256").hexdigest() != snap.sha256:
                    raise SnapshotError(f"snapshot {snap.generation} of the index is damaged")
                stream.seek(0)
                index = VectorIndex.read(stream, snap.identity.dim, snap.identity.kind)
        except OSError as error:
            raise SnapshotError(f"snapshot {snap.generation} cannot be read: {error}") from error
        if len(index) != snap.count:
            raise SnapshotError(f"snapshot {snap.generation} has a wrong count of photos")
        return index

    @contextlib.contextmanager
    def _replacing(self, file: Path) -> Iterator[BinaryIO]:
        with translating(file), replacing(file) as stream:
            yield stream

    def _all(self) -> list[Snapshot]:
        """Return all snapshots that can be read, the newest first."""
        read = (self._read(file) for file in self._folder.glob("index-*.json"))
        return sorted(filter(None, read), key=lambda snap: snap.generation, reverse=True)

    def _is_of_use(self, snap: Snapshot, name: str) -> bool:
        if snap.identity == self._identity:
            return True
        if (snap.identity.lineage, snap.identity.format) != (self._identity.lineage, _FORMAT):
            return False
        saved_at = (self._folder / f"{name}.json").stat().st_mtime
        return time.time() - saved_at < self._keep_seconds

    def _read(self, file: Path) -> Snapshot | None:
        try:
            data = json.loads(file.read_bytes())
            snap = Snapshot(**{**data, "identity": Identity(**data["identity"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            _log.warning("a snapshot of the index is passed over: %s: %s", file, error)
            return None
        of = snap.identity
        is_sound = all(isinstance(n, int) for n in (snap.generation, snap.count, of.dim, of.format))
        is_sound &= all(isinstance(text, str) for text in (of.lineage, of.model, of.kind))
        return snap if is_sound and _name(snap.identity, snap.generation) == file.stem else None


class _TimedSink:
    """Writes to a file and sees to it that the bytes reach the disk in time."""

    def __init__(self, stream: BinaryIO, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._unsynced = 0

    def write(self, piece: bytes) -> int:
        """Write a piece of the file.

        Raises:
            StoreUnavailableError: the deadline is over.
        """
        self._unsynced += len(piece)
        written = self._stream.write(piece)
        if self._unsynced >= _SYNC_BYTES:
            self.sync()
        return written

    def sync(self) -> None:
        """Wait until the disk has it: what the system only holds for it takes no time yet."""
        self._stream.flush()
        os.fdatasync(self._stream.fileno())
        self._unsynced = 0
        if time.monotonic() > self._deadline:
            raise StoreUnavailableError("the disk is too slow for a snapshot of the index now")


def _name(identity: Identity, generation: int) -> str:
    """Name the files of a snapshot; two models may have got to the same generation."""
    text = json.dumps(dataclasses.astuple(identity))
    return f"index-{hashlib.sha256(text.encode()).hexdigest()[:12]}-{generation}"
