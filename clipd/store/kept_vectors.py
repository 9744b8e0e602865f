"""The vectors in the catalog, of photos and of queries, as everyone but its writer sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids, Vectors
from clipd.store.query_texts import hash_of
from clipd.store.read_connections import ReadConnections
from clipd.store.vectors import KeptVector, VectorPage, page_of, unpack_text_vector

_INDEXABLE = """
    SELECT photo_id, vector, checksum FROM vectors JOIN photos ON photos.id = photo_id
    WHERE model_id = ? AND live > 0 AND photo_id
"""


class KeptVectors:
    """Answers questions about vectors; any thread may ask. None that is damaged is an answer."""

    def __init__(self, connections: ReadConnections) -> None:
        """Ask over connections that somebody else closes."""
        self._connections = connections

    def has(self, model: int, content_hash: bytes) -> bool:
        """Tell whether the photo with this content has its vector of the model."""
        sql = (
            "SELECT 1 FROM photos JOIN vectors ON photo_id = photos.id"
            " WHERE content_hash = ? AND model_id = ?"
        )
        return self._connections.first(sql, content_hash, model) is not None

    def of_photo(self, model: int, photo: int) -> NDArray[np.float32] | None:
        """Return a photo's vector of a model, shape (dim,); None: it has none that is whole."""
        sql = "SELECT photo_id, vector, checksum FROM vectors WHERE photo_id = ? AND model_id = ?"
        page = self._page(model, self._connections.fetch(sql, photo, model))
        return page.vectors[0] if len(page.ids) else None

    def of_text(self, model: int, text: str) -> NDArray[np.float32] | None:
        """Return the kept vector of a query, shape (dim,); None: there is none that is whole."""
        (key,) = self._connections.fetch("SELECT key FROM text_key")[0]
        row = self._connections.first(
            "SELECT vector, dim FROM text_vectors JOIN models ON models.id = model_id"
            " WHERE model_id = ? AND text = ?",
            *(model, hash_of(text, key)),
        )
        return unpack_text_vector(*row) if row else None

    def of_late_texts(self, model: int, dim: int, limit: int) -> Vectors:
        """Return vectors of queries, the latest first, shape (n, dim)."""
        rows = self._connections.fetch(
            "SELECT vector FROM text_vectors WHERE model_id = ? ORDER BY used_at DESC LIMIT ?",
            *(model, limit),
        )
        kept = [vector for (blob,) in rows if (vector := unpack_text_vector(blob, dim)) is not None]
        return np.stack(kept) if kept else np.empty((0, dim), np.float32)

    def indexable_of(self, model: int, photos: Sequence[int]) -> VectorPage:
        """Return what belongs in the index now of ``photos``, by id."""
        sql = f"{_INDEXABLE} IN (SELECT value FROM json_each(?)) ORDER BY photo_id"
        wanted = json.dumps([int(photo) for photo in photos])
        return self._page(model, self._connections.fetch(sql, model, wanted))

    def indexable(self, model: int, after: int, limit: int) -> VectorPage:
        """Return what belongs in the index, by id, from behind ``after``."""
        sql = f"{_INDEXABLE} > ? ORDER BY photo_id LIMIT ?"
        return self._page(model, self._connections.fetch(sql, model, after, limit))

    def indexable_ids(self, model: int, after: int, limit: int) -> Ids:
        """Return the ids of photos that belong in the index, in order, from behind ``after``."""
        sql = (
            "SELECT photo_id FROM vectors JOIN photos ON photos.id = photo_id"
            " WHERE model_id = ? AND live > 0 AND photo_id > ? ORDER BY photo_id LIMIT ?"
        )
        rows = self._connections.fetch(sql, model, after, limit)
        return np.array([photo for (photo,) in rows], dtype=np.int64)

    def _page(self, model: int, rows: list[tuple[Any, ...]]) -> VectorPage:
        dim = self._connections.first("SELECT dim FROM models WHERE id = ?", model)
        return page_of([KeptVector(*row) for row in rows], int(dim[0]) if dim else 0)
