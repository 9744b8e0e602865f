"""The catalog as everyone but its writer sees it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from clipd.photo import Fingerprint
from clipd.store.check import Damage, find_damage
from clipd.store.faults import suspect_mark
from clipd.store.journal import Journal
from clipd.store.kept_vectors import KeptVectors
from clipd.store.pace import Pace
from clipd.store.photo_record import PhotoRecords
from clipd.store.read_connections import ReadConnections
from clipd.store.rows import (
    FAILURE_COLUMNS,
    FINGERPRINT,
    Counts,
    FailureRow,
    KnownFile,
    LiveFile,
    Located,
    SampleFile,
    VolumeRow,
    aside_folder,
    failure_row,
    fingerprint_of,
    folder_range,
    is_aside,
    plain_folder,
    split,
)
from clipd.store.sqlite import Access, disk_trouble, takes_files

_FOLDER_ROWS = f"""
    SELECT name, NULL, {FINGERPRINT} FROM paths
        WHERE folder = ?1 AND name > ?2 AND gone_at IS NULL
    UNION ALL SELECT name, kind, {FINGERPRINT} FROM failures WHERE folder = ?1 AND name > ?2
    ORDER BY name LIMIT ?3
"""
# A step per folder and not per path: each SELECT jumps behind all the names of a folder. The plus
# in +root_id forbids SQLite an index by root, which knows no order of folders: it would sort all
# rows of the root once for each folder (300,000 failures in 20,000 folders took 15 minutes).
_FOLDERS = """
    WITH RECURSIVE next(folder) AS (
        SELECT (SELECT folder FROM {table} WHERE folder > ?2 AND folder < ?3
            AND +root_id = ?1 AND {alive} ORDER BY folder LIMIT 1)
        UNION ALL SELECT (SELECT folder FROM {table} WHERE folder > next.folder AND folder < ?3
            AND +root_id = ?1 AND {alive} ORDER BY folder LIMIT 1)
        FROM next WHERE next.folder IS NOT NULL
    ) SELECT folder FROM next WHERE folder IS NOT NULL LIMIT ?4
"""
_FOLDERS_OF_PATHS = _FOLDERS.format(table="paths", alive="gone_at IS NULL")
_FOLDERS_OF_FAILURES = _FOLDERS.format(table="failures", alive="true")
_KNOWN_AT = f"""
    SELECT name, NULL, {FINGERPRINT} FROM paths
        WHERE folder = ?1 AND name = ?2 AND gone_at IS NULL
    UNION ALL SELECT name, kind, {FINGERPRINT} FROM failures WHERE folder = ?1 AND name = ?2
"""
_LIVE_FILES = f"""
    SELECT folder, name, content_hash, {FINGERPRINT} FROM paths
    JOIN photos ON photos.id = photo_id
    WHERE (folder, name) > (?, ?) AND root_id = ? AND gone_at IS NULL
    ORDER BY folder, name LIMIT ?
"""
_LIVE_FILE = f"""
    SELECT content_hash, {FINGERPRINT} FROM paths JOIN photos ON photos.id = photo_id
    WHERE folder = ? AND name = ? AND gone_at IS NULL
"""
# Two ranges and no OR, so that each is one stretch of the index.
_SAMPLE = """
    SELECT folder, name, size_bytes, mtime_ns, content_hash FROM (
        SELECT * FROM (SELECT * FROM paths WHERE folder = ?1 AND gone_at IS NULL
            ORDER BY folder {order}, name {order} LIMIT ?4)
        UNION ALL SELECT * FROM (SELECT * FROM paths WHERE folder > ?2 AND folder < ?3
            AND gone_at IS NULL ORDER BY folder {order}, name {order} LIMIT ?4)
    ) found JOIN photos ON photos.id = found.photo_id LIMIT ?4
"""


class CatalogReader:
    """Answers questions about the catalog; any thread may ask."""

    def __init__(self, file: Path, access: Access = Access.SHARED) -> None:
        """Make a reader.

        Args:
            file: the catalog.
            access: how the catalog's writer opened it, where there is one in this process.
        """
        self.file = file
        self._access = access
        self.connections = ReadConnections(file, access)
        self.records = PhotoRecords(self.connections)
        self.vectors = KeptVectors(self.connections)
        self.journal = Journal(self.connections)

    @property
    def access(self) -> Access:
        """How the catalog is shared with other processes."""
        return self._access

    def close(self) -> None:
        """Close the connections; those in use are closed when their answer is complete."""
        self.connections.close()

    def disk_trouble(self) -> str:
        """Say what the disk has refused since the catalog was opened; "" when all is well."""
        return disk_trouble(self.file, self._access)

    def must_reopen(self) -> bool:
        """Tell whether the catalog is to be opened anew.

        It is when it was opened for reading only, or damage was met, and its folder can be
        written by now: before, nothing would be gained.
        """
        has_reason = self._access is Access.FROZEN or suspect_mark(self.file).exists()
        return has_reason and takes_files(self.file.parent)

    def folder_rows(self, folder: bytes, after: bytes, limit: int) -> list[KnownFile]:
        """Return live rows and failures of one folder, not below, by name, from behind ``after``.

        A photo that could not be read lately has both.

        Args:
            after: the last name of the page before; ``b""`` for the first page.
        """
        return [
            _known_file(row) for row in self.connections.fetch(_FOLDER_ROWS, folder, after, limit)
        ]

    def folders(self, root: int, after: bytes, limit: int) -> list[bytes]:
        """Return the folders of a root that hold live rows or failures, in order.

        Args:
            after: the last folder of the page before; ``b""`` for the first page.
        """
        row = self.connections.first("SELECT path FROM roots WHERE id = ?", root)
        if row is None:
            return []
        _, end = folder_range(row[0])
        values = (root, after, end, limit)
        found = {
            folder
            for sql in (_FOLDERS_OF_PATHS, _FOLDERS_OF_FAILURES)
            for (folder,) in self.connections.fetch(sql, *values)
        }
        return sorted(found)[:limit]

    def known_at(self, path: bytes) -> KnownFile | None:
        """Return what the catalog knows at a path, a live row or a failure."""
        folder, name = split(path)
        rows = self.connections.fetch(_KNOWN_AT, folder, name)
        return _known_file(rows[0]) if rows else None

    def live_files(self, root: int, after: bytes, limit: int) -> list[LiveFile]:
        """Return the photos' files of a root by folder and name, from behind the path ``after``.

        Args:
            after: the last path of the page before; the root's own path for the first page.
        """
        rows = self.connections.fetch(_LIVE_FILES, *split(after), root, limit)
        return [
            LiveFile(os.path.join(folder, name), cast(Fingerprint, fingerprint_of(columns)), digest)
            for folder, name, digest, *columns in rows
        ]

    def live_file(self, path: bytes) -> LiveFile | None:
        """Return the photo's file at a path; None when there is none."""
        row = self.connections.first(_LIVE_FILE, *split(path))
        if row is None:
            return None
        return LiveFile(path, cast(Fingerprint, fingerprint_of(row[1:])), row[0])

    def count_folders(self, root: int) -> int:
        """Return in how many folders of a root photos lie; reads all its paths."""
        sql = "SELECT count(DISTINCT folder) FROM paths WHERE root_id = ? AND gone_at IS NULL"
        return int(self.connections.fetch(sql, root)[0][0])

    def count_bytes(self, root: int) -> int:
        """Return how many bytes the photos' files of a root have; reads all its paths."""
        sql = "SELECT total(size_bytes) FROM paths WHERE root_id = ? AND gone_at IS NULL"
        return int(self.connections.fetch(sql, root)[0][0])

    def model_fingerprints(self) -> set[str]:
        """Return the fingerprints of all models that are known and not forgotten."""
        return {
            fingerprint
            for (fingerprint,) in self.connections.fetch("SELECT fingerprint FROM models")
        }

    def locate(self, photos: Sequence[int]) -> dict[int, tuple[Located, ...]]:
        """Return the live paths of photos, in order; photos without any are left out."""
        found: dict[int, tuple[Located, ...]] = {}
        for photo, folder, name, root, device in self.connections.fetch(
            "SELECT photo_id, folder, name, root_id, device FROM paths WHERE gone_at IS NULL"
            " AND photo_id IN (SELECT value FROM json_each(?)) ORDER BY folder, name",
            json.dumps([int(photo) for photo in photos]),
        ):
            path = os.path.join(plain_folder(folder), name)
            here = Located(path, root, int(device), is_aside(folder))
            found[photo] = (*found.get(photo, ()), here)
        return found

    def photo_at(self, path: bytes) -> int | None:
        """Return the photo that lies at a path; None when there is none."""
        sql = "SELECT photo_id FROM paths WHERE folder = ? AND name = ? AND gone_at IS NULL"
        row = self.connections.first(sql, *split(path))
        return int(row[0]) if row else None

    def counts(self, model: int) -> Counts:
        """Return how much there is, in constant time."""
        tally: dict[str, int] = {}
        rows = self.connections.fetch(
            "SELECT what, value FROM tallies WHERE what <> 'vectors' OR id = ?", model
        )
        for what, value in rows:
            tally[what] = tally.get(what, 0) + value
        photos = tally.get("photos", 0)
        return Counts(
            photos=photos,
            paths=tally.get("paths", 0),
            errors=tally.get("errors", 0),
            skipped=tally.get("skipped", 0),
            without_vector=photos - tally.get("vectors", 0),
            text_vectors=self.connections.fetch("SELECT count(*) FROM text_vectors")[0][0],
        )

    def root_counts(self) -> dict[int, int]:
        """Return how many live paths each root has, also those with none."""
        return dict(
            self.connections.fetch(
                "SELECT roots.id, coalesce(value, 0) FROM roots"
                " LEFT JOIN tallies ON what = 'paths' AND tallies.id = roots.id"
            )
        )

    def root_identity(self, root: int) -> tuple[int, int] | None:
        """Return the remembered (device, inode) of a root; None when it was never seen."""
        row = self.connections.first("SELECT device, inode FROM roots WHERE id = ?", root)
        return None if row is None or row[0] is None else (int(row[0]), int(row[1]))

    def volumes(self, root: int) -> list[VolumeRow]:
        """Return the file systems that were seen in a root, those of now and of before."""
        sql = "SELECT id, folder, uuid, device, inode, is_here FROM volumes WHERE root_id = ?"
        return [
            VolumeRow(number, folder, uuid, int(device), int(inode), bool(here))
            for number, folder, uuid, device, inode, here in self.connections.fetch(sql, root)
        ]

    def sample(self, folder: bytes, limit: int, aside: int | None = None) -> list[SampleFile]:
        """Return some live paths in a folder and below, from both ends of it.

        Args:
            aside: of the paths of this volume, which are set aside; None: of those in place.
        """
        top = folder if aside is None else aside_folder(aside, folder)
        start, end = folder_range(top)
        rows = self.connections.fetch(_SAMPLE.format(order="ASC"), top, start, end, limit)
        rows += self.connections.fetch(_SAMPLE.format(order="DESC"), top, start, end, limit)
        return [
            SampleFile(os.path.join(plain_folder(at), name), int(size), int(mtime), content_hash)
            for at, name, size, mtime, content_hash in rows
        ]

    def failures(self, after: bytes, limit: int, skipped: bool) -> list[FailureRow]:
        """Return failures by folder and name, from behind the path ``after``.

        Args:
            skipped: also those that are skipped for not being pictures.
        """
        every = " AND kind <> 'sidecar'" + ("" if skipped else " AND kind <> 'skipped'")
        rows = self.connections.fetch(
            f"SELECT {FAILURE_COLUMNS} FROM failures WHERE (folder, name) > (?, ?){every}"
            " ORDER BY folder, name LIMIT ?",
            *(*split(after), limit),
        )
        return [failure_row(row) for row in rows]

    def damage(self, pace: Pace | None = None) -> Damage:
        """Look through the whole catalog, slice by slice.

        Raises:
            CheckStoppedError: the pace was told to end.
        """
        with self.connections.lent() as connection:
            return find_damage(connection, pace or Pace())


def _known_file(row: Sequence[Any]) -> KnownFile:
    name, kind, *columns = row
    return KnownFile(name, fingerprint_of(columns), kind)
