"""Bases of the index at rest: they spare the rebuild, and are checked before they are trusted."""

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
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clipd.durable import replacing
from clipd.errors import SnapshotError, StoreUnavailableError
from clipd.store.faults import translating
from clipd.store.index_base import Base
from clipd.store.index_builder import Before, Built
from clipd.store.index_delta import Codes
from clipd.store.pace import Pace
from clipd.store.piece_hash import PieceHash, checksum_of_pieces, hash_of_pieces

_log = logging.getLogger(__name__)

_FORMAT = 3  # 1 was of clipd 0.1, which let damaged vectors in; 2 could not be mapped
_KEPT = 2  # of each identity
_SYNC_BYTES = 32 << 20  # written between two looks at how fast the disk is


@dataclass(frozen=True, slots=True)
class Identity:
    """What a snapshot must have been made from, for it to be of use now."""

    lineage: str  # of the catalog
    model: str  # its fingerprint
    kind: Codes
    dim: int
    format: int = _FORMAT


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One saved base, as its JSON file tells it."""

    identity: Identity
    generation: int  # the journal up to here is in it
    count: int
    size_bytes: int
    ids_at: int  # where the ids begin
    nprobe: int  # how many lists a search reads; 0: it has none
    recall: float  # of the ten best, as measured when it was built
    taught_on: int  # how many photos there were when its lists were learnt
    digest: str  # `clipd.store.piece_hash`
    checksum: str = ""  # likewise; "" where a former clipd saved it

    @property
    def name(self) -> str:
        """What its files are called, without suffix."""
        return _name(self.identity, self.generation)


class SnapshotFolder:
    """The snapshots in a folder. For one thread at a time."""

    def __init__(self, folder: Path, identity: Identity, keep_seconds: float = math.inf) -> None:
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

    def save(self, built: Built, deadline: float = math.inf) -> Snapshot:
        """Save a base.

        Args:
            built: what is saved.
            deadline: a time of ``time.monotonic`` at which a disk was too slow.

        Raises:
            StoreUnavailableError: there is no room, or no time; older snapshots stand.
        """
        with translating(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = _name(self._identity, built.generation)
        digest = PieceHash()
        # The bytes are hashed before they go to the disk, so the disk's errors are found too.
        with self._replacing(self._folder / f"{name}.faiss") as stream:
            sink = _TimedSink(stream, deadline)

            def write(piece: bytes) -> int:
                digest.update(piece)
                return sink.write(piece)

            ids_at = built.write(write)
            sink.sync()
            size_bytes = stream.tell()
        snap = Snapshot(
            self._identity,
            built.generation,
            len(built.ids),
            size_bytes,
            ids_at,
            built.nprobe,
            built.recall,
            built.taught_on,
            digest.hexdigest(),
            digest.checksum(),
        )
        # Written last: a snapshot without its JSON file is not seen.
        with self._replacing(self._folder / f"{name}.json") as stream:
            stream.write(json.dumps(dataclasses.asdict(snap), indent=1).encode())
        return snap

    def prune(self, models: Container[str]) -> None:
        """Drop all but the two newest snapshots of each identity, and those that are of no use.

        Args:
            models: fingerprints of the models that are known; others were forgotten.
        """
        kept = set()
        counts: Counter[Identity] = Counter()
        for snap in self._all():
            counts[snap.identity] += 1
            name = snap.name
            is_known = snap.identity.model in models
            if is_known and counts[snap.identity] <= _KEPT and self._is_of_use(snap, name):
                kept |= {f"{name}.faiss", f"{name}.json"}
        leftovers = self._folder.glob(".index-*.tmp")  # of a kill while one was written
        for file in (*self._folder.glob("index-*"), *leftovers):
            if file.name not in kept:
                with contextlib.suppress(OSError):
                    file.unlink()

    def check(self, snap: Snapshot, pace: Pace | None = None) -> None:
        """See to it that every byte is as it was written.

        FAISS reads flipped bits without a word, and a flipped size makes it ask for more memory
        than there is. What is mapped is read anew by this, too: both see the same pages.

        Args:
            pace: how fast; None: as fast as can be.

        Raises:
            SnapshotError: it is damaged, or cannot be read.
            CheckStoppedError: the pace was told to end.
        """
        self._insist(snap, snap.digest, lambda stream: hash_of_pieces(stream, pace))

    def check_quickly(self, snap: Snapshot) -> None:
        """See to it that no byte was damaged, in a third of the time: for a start.

        Raises:
            SnapshotError: it is damaged, or cannot be read.
        """
        if snap.checksum:  # else it is of a former clipd
            self._insist(snap, snap.checksum, checksum_of_pieces)
        else:
            self.check(snap)

    def _insist(self, snap: Snapshot, wanted: str, read: Callable[[BinaryIO], str]) -> None:
        try:
            with open(self._folder / f"{snap.name}.faiss", "rb") as stream:
                found = read(stream)
        except OSError as error:
            raise SnapshotError(f"snapshot {snap.generation} cannot be read: {error}") from error
        if found != wanted:
            raise SnapshotError(f"snapshot {snap.generation} of the index is damaged")

    def drop(self, snap: Snapshot) -> None:
        """Delete a snapshot that is of no use."""
        for suffix in (".json", ".faiss"):
            (self._folder / f"{snap.name}{suffix}").unlink(missing_ok=True)

    def load(self, snap: Snapshot) -> Base:
        """Open a snapshot that was checked.

        Raises:
            SnapshotError: it is not what its JSON file says.
        """
        of, file = snap.identity, self._folder / f"{snap.name}.faiss"
        try:
            base = Base.open(file, snap.ids_at, of.dim, of.kind, snap.nprobe, snap.recall)
        except (OSError, ValueError) as error:  # ValueError: there are no ids where they should be
            raise SnapshotError(f"snapshot {snap.generation} cannot be read: {error}") from error
        if len(base) != snap.count:
            raise SnapshotError(f"snapshot {snap.generation} has a wrong count of photos")
        return base

    def before(self) -> Before | None:
        """Return the newest base, where it is whole and has lists for the next one."""
        for snap in self.found()[:1]:
            if snap.nprobe:
                with contextlib.suppress(SnapshotError):
                    self.check(snap)
                    return Before(self.load(snap), snap.generation, snap.taught_on)
        return None

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
            snap = Snapshot(**{**data, "identity": identity_from(data["identity"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            _log.warning("a snapshot of the index is passed over: %s: %s", file, error)
            return None
        of = snap.identity
        numbers: tuple[object, ...] = (snap.generation, snap.count, snap.ids_at, snap.nprobe)
        numbers += (snap.taught_on, of.dim, of.format)
        is_sound = all(isinstance(number, int) for number in numbers)
        is_sound &= all(
            isinstance(text, str) for text in (of.lineage, of.model, of.kind, snap.checksum)
        )
        return snap if is_sound and snap.name == file.stem else None


def identity_from(values: Any) -> Identity:
    """Read an identity as JSON holds it."""
    return Identity(**values)


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
