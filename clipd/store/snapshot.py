"""The index at rest: a cache that spares the rebuild, checked before it is trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from clipd.durable import replacing
from clipd.errors import SnapshotError
from clipd.store.faults import translating
from clipd.store.index import IndexKind, VectorIndex

_log = logging.getLogger(__name__)

_FORMAT = 2  # 1 was of clipd 0.1, which let damaged vectors in
_KEPT = 2


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

    def __init__(self, folder: Path, identity: Identity) -> None:
        self._folder = folder
        self._identity = identity

    def found(self) -> list[Snapshot]:
        """Return the snapshots with this identity, the newest first; none of them checked."""
        read = (self._read(file) for file in self._folder.glob("index-*.json"))
        fitting = [snap for snap in read if snap and snap.identity == self._identity]
        return sorted(fitting, key=lambda snap: snap.generation, reverse=True)

    def save(self, index: VectorIndex, generation: int) -> None:
        """Save an index; the oldest snapshots, and those that are no longer of use, go.

        Raises:
            StorageFullError: there is no room; older snapshots stand.
        """
        with translating(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        # The bytes are hashed before they go to the disk, so the disk's errors are found too.
        with self._replacing(self._index_file(generation)) as stream:

            def write(piece: bytes) -> int:
                digest.update(piece)
                return stream.write(piece)

            index.write(write)
            size_bytes = stream.tell()
        snap = Snapshot(self._identity, generation, len(index), size_bytes, digest.hexdigest())
        # Written last: a snapshot without its JSON file is not seen.
        with self._replacing(self._meta_file(generation)) as stream:
            stream.write(json.dumps(dataclasses.asdict(snap), indent=1).encode())
        self._prune()

    def load(self, snap: Snapshot) -> VectorIndex:
        """Load a snapshot whose every byte is as it was written.

        Raises:
            SnapshotError: it is damaged, or not what its JSON file says.
        """
        try:
            with open(self._index_file(snap.generation), "rb") as stream:
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

    def _prune(self) -> None:
        kept = {snap.generation for snap in self.found()[:_KEPT]}
        names = {
            path.name for gen in kept for path in (self._index_file(gen), self._meta_file(gen))
        }
        leftovers = self._folder.glob(".index-*.tmp")  # of a kill while one was written
        for file in (*self._folder.glob("index-*"), *leftovers):
            if file.name not in names:
                with contextlib.suppress(OSError):
                    file.unlink()

    def _read(self, file: Path) -> Snapshot | None:
        try:
            data = json.loads(file.read_bytes())
            snap = Snapshot(**{**data, "identity": Identity(**data["identity"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.warning("a snapshot of the index is passed over: %s: %s", file, error)
            return None
        numbers = (snap.generation, snap.count, snap.size_bytes)
        is_sound = all(isinstance(number, int) for number in numbers)
        return snap if is_sound and self._meta_file(snap.generation) == file else None

    def _index_file(self, generation: int) -> Path:
        return self._folder / f"index-{generation}.faiss"

    def _meta_file(self, generation: int) -> Path:
        return self._folder / f"index-{generation}.json"
