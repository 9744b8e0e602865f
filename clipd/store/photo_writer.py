"""Writing what is known of photos, whatever their paths: sizes, dates, vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clipd.store.model_writer import ModelWriter
from clipd.store.vectors import checksum_of, pack
from clipd.store.writer import Writer


class PhotoWriter:
    """The tables of photos and of their vectors."""

    def __init__(self, writer: Writer, models: ModelWriter) -> None:
        self._writer = writer
        self._models = models

    def photo_of_hash(self, content_hash: bytes) -> int | None:
        """Return the photo with this content; None when it is not known."""
        row = self._writer.first("SELECT id FROM photos WHERE content_hash = ?", content_hash)
        return int(row[0]) if row else None

    def add_photo(
        self, content_hash: bytes, width: int, height: int, format: str, taken_at: str, now: int
    ) -> int:
        """Return the id of the photo with this content, making it when it is not known."""
        self._writer.write(
            "INSERT INTO photos"
            " (content_hash, width, height, format, taken_at, added_at, left_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (content_hash) DO NOTHING",
            *(content_hash, width, height, format, taken_at, now, now),
        )
        photo = self.photo_of_hash(content_hash)
        assert photo is not None
        return photo

    def expect(self, photo: int, now: int) -> None:
        """Keep a photo that lies nowhere for as long as one whose last file has just gone."""
        sql = "UPDATE photos SET left_at = ? WHERE id = ? AND live = 0 AND left_at < ?"
        self._writer.write(sql, now, photo, now)

    def put_vector(self, model: int, photo: int, vector: NDArray[np.float32]) -> None:
        """Keep a photo's vector of a model, in half precision.

        Raises:
            EncodeError: it is zero, not finite, not of length 1 or not of the model's dimensions.
        """
        blob = pack(self._models.checked(model, vector))
        self._writer.write(
            "INSERT INTO vectors (photo_id, model_id, vector, checksum) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET vector = excluded.vector, checksum = excluded.checksum",
            *(photo, model, blob, checksum_of(blob)),
        )

    def add_vector(self, model: int, photo: int, blob: bytes) -> bool:
        """Keep a photo's vector of a model, as ``pack`` returns it, unless there is one.

        Returns:
            Whether there was none.
        """
        return (
            self._writer.write(
                "INSERT INTO vectors (photo_id, model_id, vector, checksum) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                *(photo, model, blob, checksum_of(blob)),
            )
            > 0
        )

    def have_followed(self, photos: Sequence[int]) -> None:
        """Have indexes that follow the journal look at photos once more."""
        for photo in photos:
            self._writer.write("INSERT INTO journal (photo_id) VALUES (?)", photo)

    def drop_vectors(self, model: int, photos: Sequence[int]) -> None:
        """Drop vectors that are damaged; their photos are encoded again."""
        for photo in photos:
            self._writer.write(
                "DELETE FROM vectors WHERE photo_id = ? AND model_id = ?", photo, model
            )

    def add_checksums(self, limit: int = 2000) -> int:
        """Give vectors that clipd 0.1 wrote the checksum that they lack; return how many.

        Args:
            limit: the most vectors; call again until none is left.
        """
        rows = self._writer.fetch(
            "SELECT rowid, vector FROM vectors WHERE checksum IS NULL ORDER BY photo_id LIMIT ?",
            limit,
        )
        for row, blob in rows:
            sql = "UPDATE vectors SET checksum = ? WHERE rowid = ?"
            self._writer.write(sql, checksum_of(blob), row)
        return len(rows)

    def count_without_vector(self, model: int) -> int:
        """Return how many live photos lack the model's vector, in constant time."""
        row = self._writer.first(
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
        rows = self._writer.fetch(
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
        self._writer.write("DELETE FROM text_vectors WHERE used_at < ?", before)
        dropped = self._writer.write(
            "DELETE FROM paths WHERE id IN (SELECT id FROM paths WHERE gone_at < ? LIMIT ?)",
            *(before, limit),
        )
        # While tombstones are left, most unused photos still have one, and each call would pass
        # over all of them again.
        if dropped == limit:
            return dropped
        unused = self._writer.fetch(
            "SELECT id FROM photos WHERE live = 0 AND left_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM paths WHERE photo_id = photos.id) LIMIT ?",
            *(before, limit),
        )
        for photo in unused:
            self._writer.write("DELETE FROM vectors WHERE photo_id = ?", *photo)
            self._writer.write("DELETE FROM photos WHERE id = ?", *photo)
        return dropped + len(unused)
