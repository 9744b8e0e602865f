"""The catalog: the one truth that clipd keeps, as its only writer sees it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipd.errors import EncodeError
from clipd.photo import ModelSpec
from clipd.store import schema
from clipd.store.check import Damage, DanglingRow, unsound_among
from clipd.store.query_texts import hash_of
from clipd.store.rows import DOUBTED_NS, ModelRow, folder_range, split, stored
from clipd.store.sqlite import Access
from clipd.store.vectors import checksum_of, pack
from clipd.store.volume_writer import VolumeWriter

TEXT_VECTORS_KEPT = 10_000
_SLICE = 10_000  # rows that one transaction changes where many are to be changed


class Catalog(VolumeWriter):
    """Everything that the indexer writes. One per process, for one thread at a time.

    Every method that changes something must be called inside of ``writing``.
    """

    def __init__(self, file: Path, connection: sqlite3.Connection, access: Access) -> None:
        super().__init__(file, connection, access)
        self._dims: dict[int, int] = {}
        self._purged: dict[int, int] = {}  # of a former model: up to which photo

    def root(self, path: bytes) -> int:
        """Return the id of a root, new or known, and mark it as configured."""
        # Writes only what is new: a start must do on a disk that is full or held by others.
        known = self._first("SELECT id FROM roots WHERE path = ? AND configured", path)
        return (
            int(known[0])
            if known
            else self._id_of(
                "INSERT INTO roots (path) VALUES (?)"
                " ON CONFLICT (path) DO UPDATE SET configured = 1 RETURNING id",
                path,
            )
        )

    def retire_roots(self, keep: Collection[int], now: int) -> int:
        """Turn the live paths of all other roots into tombstones and drop their failures.

        Opens transactions of its own, so it must not be called inside of ``writing``: a million
        paths take seconds, and a kill in the middle loses a slice only.

        Returns:
            How many paths are gone.
        """
        retired = self._fetch("SELECT id, path FROM roots WHERE configured")
        return sum(self._retire(root, path, now) for root, path in retired if root not in keep)

    def _retire(self, root: int, path: bytes, now: int) -> int:
        self._in_slices("DELETE FROM failures WHERE rowid", root, path)
        bury = f"UPDATE paths SET gone_at = {now:d} WHERE gone_at IS NULL AND rowid"
        gone = self._in_slices(bury, root, path)
        with self.writing():
            # The paths of volumes that are set aside come before all others: they begin with NUL.
            sql = "UPDATE paths SET gone_at = ? WHERE folder < x'01' AND root_id = ?"
            gone += self._write(f"{sql} AND gone_at IS NULL", now, root)
        # Only now: a retirement that was cut short is taken up again by the next start.
        with self.writing():
            self._write("UPDATE roots SET configured = 0 WHERE id = ?", root)
        return gone

    def _in_slices(self, change: str, root: int, path: bytes) -> int:
        """Make a change to all rows of a root, a slice of them in each transaction.

        Args:
            change: a statement that ends in "rowid", such as "DELETE FROM failures WHERE rowid".
        """
        table = "failures" if "failures" in change else "paths"
        changed, at = 0, (path, b"")
        while page := self._rows_of_root(table, root, at, folder_range(path)[1]):
            with self.writing():
                chosen = json.dumps([row for row, _, _ in page])
                changed += self._write(f"{change} IN (SELECT value FROM json_each(?))", chosen)
            at = page[-1][1:]
        return changed

    def _rows_of_root(
        self, table: str, root: int, at: tuple[bytes, bytes], end: bytes
    ) -> list[tuple[int, bytes, bytes]]:
        is_live = "gone_at IS NULL" if table == "paths" else "true"
        return self._fetch(
            f"SELECT rowid, folder, name FROM {table} WHERE (folder, name) > (?, ?)"
            f" AND folder < ? AND root_id = ? AND {is_live} ORDER BY folder, name LIMIT ?",
            *(*at, end, root, _SLICE),
        )

    def remember_root(self, root: int, device: int, inode: int) -> None:
        """Keep which folder a root is, so that another one in its place is noticed."""
        sql = "UPDATE roots SET device = ?, inode = ? WHERE id = ?"
        self._write(sql, stored(device), stored(inode), root)

    def model(self, spec: ModelSpec) -> int:
        """Return the id of a model, new or known by its fingerprint."""
        known = self._first(
            "SELECT id FROM models WHERE fingerprint = ? AND name = ?", spec.fingerprint, spec.name
        )
        return (
            int(known[0])
            if known
            else self._id_of(
                "INSERT INTO models (fingerprint, name, dim) VALUES (?, ?, ?)"
                " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING id",
                *(spec.fingerprint, spec.name, spec.dim),
            )
        )

    def use_model(self, spec: ModelSpec, now: int) -> int:
        """Return the id of the model that is in use from now on, which all others are not."""
        model = self.model(spec)
        # Written only where it changes something, as in ``root``.
        if self._first("SELECT 1 FROM models WHERE (left_at IS NULL) <> (id = ?)", model):
            sql = "UPDATE models SET left_at = CASE id WHEN ? THEN NULL ELSE ifnull(left_at, ?) END"
            self._write(sql, model, now)
        return model

    def purge_models(self, before: int, limit: int = 2000) -> bool:
        """Drop a slice of the vectors of models that are not in use since ``before``.

        Returns:
            Whether there was anything; call again until there is not.
        """
        row = self._first("SELECT id FROM models WHERE left_at < ?", before)
        if row is None:
            return False
        (model,) = row
        after = self.forget_vectors(model, self._purged.get(model, 0), limit)
        if after is None:
            self.forget_model(model)
        else:
            self._purged[model] = after
        return True

    def models(self) -> list[ModelRow]:
        """Return every model that the catalog knows, the oldest first."""
        rows = self._fetch(
            "SELECT models.id, name, fingerprint, coalesce(value, 0) FROM models"
            " LEFT JOIN tallies ON what = 'vectors' AND tallies.id = models.id ORDER BY models.id"
        )
        return [ModelRow(*row) for row in rows]

    def forget_vectors(self, model: int, after: int, limit: int) -> int | None:
        """Drop a slice of a model's vectors of photos.

        Args:
            model: its id.
            after: photos with higher ids are looked at: what the last call returned, at first 0.
            limit: the most vectors to drop.

        Returns:
            Where to go on; None when no vector is left behind ``after``.
        """
        photos = self._fetch(
            "SELECT photo_id FROM vectors WHERE photo_id > ? AND model_id = ?"
            " ORDER BY photo_id LIMIT ?",
            *(after, model, limit),
        )
        if not photos:
            return None
        last = int(photos[-1][0])
        self._write(
            "DELETE FROM vectors WHERE photo_id > ? AND photo_id <= ? AND model_id = ?",
            *(after, last, model),
        )
        return last

    def forget_model(self, model: int) -> None:
        """Drop a model that has no vector of a photo any more, with its vectors of texts."""
        self._write("DELETE FROM text_vectors WHERE model_id = ?", model)
        self._write("DELETE FROM tallies WHERE what = 'vectors' AND id = ?", model)
        self._write("DELETE FROM models WHERE id = ?", model)
        self._dims.pop(model, None)
        self._purged.pop(model, None)

    def photo_of_hash(self, content_hash: bytes) -> int | None:
        """Return the photo with this content; None when it is not known."""
        row = self._first("SELECT id FROM photos WHERE content_hash = ?", content_hash)
        return int(row[0]) if row else None

    def add_photo(
        self, content_hash: bytes, width: int, height: int, format: str, taken_at: str, now: int
    ) -> int:
        """Return the id of the photo with this content, making it when it is not known."""
        self._write(
            "INSERT INTO photos"
            " (content_hash, width, height, format, taken_at, added_at, left_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content_hash) DO NOTHING",
            *(content_hash, width, height, format, taken_at, now, now),
        )
        photo = self.photo_of_hash(content_hash)
        assert photo is not None
        return photo

    def put_vector(self, model: int, photo: int, vector: NDArray[np.float32]) -> None:
        """Keep a photo's vector of a model, in half precision.

        Raises:
            EncodeError: it is zero, not finite, not of length 1 or not of the model's dimensions.
        """
        blob = pack(self._checked(model, vector))
        self._write(
            "INSERT INTO vectors (photo_id, model_id, vector, checksum) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET vector = excluded.vector, checksum = excluded.checksum",
            *(photo, model, blob, checksum_of(blob)),
        )

    def drop_vectors(self, model: int, photos: Sequence[int]) -> None:
        """Drop vectors that are damaged; their photos are encoded again."""
        for photo in photos:
            self._write("DELETE FROM vectors WHERE photo_id = ? AND model_id = ?", photo, model)

    def add_checksums(self, limit: int = 2000) -> int:
        """Give vectors that clipd 0.1 wrote the checksum that they lack; return how many.

        Args:
            limit: the most vectors; call again until none is left.
        """
        rows = self._fetch(
            "SELECT rowid, vector FROM vectors WHERE checksum IS NULL ORDER BY photo_id LIMIT ?",
            limit,
        )
        for row, blob in rows:
            sql = "UPDATE vectors SET checksum = ? WHERE rowid = ?"
            self._write(sql, checksum_of(blob), row)
        return len(rows)

    def put_text_vector(self, model: int, text: str, vector: NDArray[np.float32], now: int) -> None:
        """Keep the vector of a query, in full precision, under a hash of its text.

        The newest 10,000 are kept.
        """
        (key,) = self._fetch("SELECT key FROM text_key")[0]
        blob = self._checked(model, vector).astype("<f4").tobytes()
        self._write(
            "INSERT INTO text_vectors (model_id, text, vector, used_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET vector = excluded.vector, used_at = excluded.used_at",
            *(model, hash_of(text, key), blob, now),
        )
        self._write(
            "DELETE FROM text_vectors WHERE rowid IN (SELECT rowid FROM text_vectors"
            " ORDER BY used_at, rowid"
            " LIMIT max(0, (SELECT count(*) FROM text_vectors) - ?))",
            TEXT_VECTORS_KEPT,
        )

    def count_without_vector(self, model: int) -> int:
        """Return how many live photos lack the model's vector, in constant time."""
        row = self._first(
            "SELECT total(value * CASE what WHEN 'photos' THEN 1 ELSE -1 END) FROM tallies"
            " WHERE what = 'photos' OR (what = 'vectors' AND id = ?)",
            model,
        )
        return int(row[0]) if row else 0

    def photos_without_vector(self, model: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return live photos that lack the model's vector, by id, each with one live path."""
        # To look for what is not there takes half a second at a million photos.
        if not self.count_without_vector(model):
            return []
        rows = self._fetch(
            "SELECT photos.id, folder, name FROM photos JOIN paths ON paths.id ="
            " (SELECT min(id) FROM paths WHERE photo_id = photos.id AND gone_at IS NULL)"
            " WHERE photos.id > ? AND live > 0 AND NOT EXISTS"
            " (SELECT 1 FROM vectors WHERE photo_id = photos.id AND model_id = ?)"
            " ORDER BY photos.id LIMIT ?",
            *(after, model, limit),
        )
        return [(photo, os.path.join(folder, name)) for photo, folder, name in rows]

    def purge(self, before: int, limit: int = 5000) -> int:
        """Drop tombstones older than ``before``, then photos unused since then, and vectors.

        Vectors of queries of that age go too.

        Args:
            limit: the most rows of each kind to drop; call again until nothing is left.

        Returns:
            How many tombstones and photos were dropped.
        """
        self._write("DELETE FROM text_vectors WHERE used_at < ?", before)
        dropped = self._write(
            "DELETE FROM paths WHERE id IN (SELECT id FROM paths WHERE gone_at < ? LIMIT ?)",
            *(before, limit),
        )
        # While tombstones are left, most unused photos still have one, and each call would pass
        # over all of them again.
        if dropped == limit:
            return dropped
        unused = self._fetch(
            "SELECT id FROM photos WHERE live = 0 AND left_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM paths WHERE photo_id = photos.id) LIMIT ?",
            *(before, limit),
        )
        for photo in unused:
            self._write("DELETE FROM vectors WHERE photo_id = ?", *photo)
            self._write("DELETE FROM photos WHERE id = ?", *photo)
        return dropped + len(unused)

    def trim_journal(self, upto: int) -> None:
        """Drop the journal up to a sequence number, which snapshots have taken in."""
        self._write("DELETE FROM journal WHERE seq <= ?", upto)

    def renew_lineage(self) -> None:
        """Begin a new line of history: no older snapshot of the index is to be trusted."""
        self._write("UPDATE lineage SET token = lower(hex(randomblob(16)))")

    def repair(self, damage: Damage) -> list[bytes]:
        """Put right what a check has found, as far as it is still so.

        Vectors that cannot be one are dropped, and their photos encoded again by and by. What
        is wrong with the file itself is for the next start, which can set it aside.

        Returns:
            Paths to be looked at again, because their rows are dropped.
        """
        orphans = [path for row in damage.dangling if (path := self._drop_dangling(row))]
        for key in unsound_among(self._connection, damage.vectors):
            self._write("DELETE FROM vectors WHERE photo_id = ? AND model_id = ?", *key)
        live = "(SELECT count(*) FROM paths WHERE photo_id = photos.id AND gone_at IS NULL)"
        for photo in damage.miscounted:
            self._write(f"UPDATE photos SET live = {live} WHERE id = ?", photo)
        if damage.tallies or damage.miscounted or damage.dangling:
            self._write("DELETE FROM tallies")
            self._write(f"INSERT INTO tallies {schema.RECOUNT}")
        return orphans

    def doubt_path(self, path: bytes) -> None:
        """Have the file at a path read again, though it looks like the one that is known."""
        sql = "UPDATE paths SET mtime_ns = ?, ctime_ns = ? WHERE folder = ? AND name = ?"
        self._write(sql, DOUBTED_NS, DOUBTED_NS, *split(path))

    def _drop_dangling(self, row: DanglingRow) -> bytes | None:
        if row.table not in ("paths", "failures"):
            self._write(f"DELETE FROM {row.table} WHERE rowid = ?", row.row)
            return None
        found = self._first(f"SELECT folder, name FROM {row.table} WHERE rowid = ?", row.row)
        self._write(f"DELETE FROM {row.table} WHERE rowid = ?", row.row)
        return os.path.join(*found) if found else None

    def _checked(self, model: int, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        dim = self._dim(model)
        if vector.shape != (dim,):
            raise EncodeError(
                f"a vector of shape {vector.shape} does not fit the model, whose vectors have {dim}"
            )
        return vector

    def _dim(self, model: int) -> int:
        if model not in self._dims:
            row = self._first("SELECT dim FROM models WHERE id = ?", model)
            if row is None:
                raise RuntimeError(f"no model {model} in the catalog")
            self._dims[model] = int(row[0])
        return self._dims[model]
