"""Writing whose vectors are kept: models in use, models that were, and vectors of queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clipd.errors import EncodeError
from clipd.photo import ModelSpec, Preprocess
from clipd.store.query_texts import hash_of
from clipd.store.rows import ModelRow, UsedModel
from clipd.store.writer import Writer

TEXT_VECTORS_KEPT = 10_000
_REFRESH_SECONDS = 60  # between two writes that say the same of a model
_ANY_SIDE = 224  # of pictures for a model that is not there to look at them


class ModelWriter:
    """The tables of models and of the vectors of queries."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._dims: dict[int, int] = {}
        self._purged: dict[int, int] = {}  # of a former model: up to which photo

    def model(self, spec: ModelSpec) -> int:
        """Return the id of a model, new or known by its fingerprint."""
        known = self._writer.first(
            "SELECT id FROM models WHERE fingerprint = ? AND name = ?", spec.fingerprint, spec.name
        )
        if known:
            return int(known[0])
        return self._writer.insert(
            "INSERT INTO models (fingerprint, name, dim) VALUES (?, ?, ?)"
            " ON CONFLICT (fingerprint) DO UPDATE SET name = excluded.name RETURNING id",
            *(spec.fingerprint, spec.name, spec.dim),
        )

    def use_model(self, spec: ModelSpec, now: int, meant: str = "") -> int:
        """Return the id of the model that is in use from now on, which all others are not.

        Args:
            spec: the model.
            now: seconds since the epoch.
            meant: its ``[model]`` table as JSON, to find its weights again later; "": unknown.
        """
        model = self.model(spec)
        # Written only where it changes something, as in ``root``.
        if self._writer.first("SELECT 1 FROM models WHERE (left_at IS NULL) <> (id = ?)", model):
            sql = "UPDATE models SET left_at = CASE id WHEN ? THEN NULL ELSE ifnull(left_at, ?) END"
            self._writer.write(sql, model, now)
        if meant and self._writer.first(
            "SELECT 1 FROM models WHERE id = ? AND meant <> ?", model, meant
        ):
            self._writer.write("UPDATE models SET meant = ? WHERE id = ?", meant, model)
        return model

    def prepare_model(self, spec: ModelSpec, now: int) -> int:
        """Return the id of a model that is to be used after the one in use, which stays that.

        Its vectors are kept as those of a model that has just gone out of use; to be called again
        within ``store.keep``.
        """
        used = self.model_in_use()
        model = self.model(spec)
        if used is None or used.id == model:
            return model
        sql = "SELECT 1 FROM models WHERE id = ? AND ifnull(left_at, 0) < ?"
        if self._writer.first(sql, model, now - _REFRESH_SECONDS):
            self._writer.write("UPDATE models SET left_at = ? WHERE id = ?", now, model)
        return model

    def model_in_use(self) -> UsedModel | None:
        """Return the model that was used last; None: there was none yet."""
        row = self._writer.first(
            "SELECT id, name, dim, fingerprint, meant FROM models WHERE left_at IS NULL"
            " ORDER BY id DESC"
        )
        if row is None:
            return None
        model, name, dim, fingerprint, meant = row
        spec = ModelSpec(name, "", "", "", dim, Preprocess(side=_ANY_SIDE), fingerprint)
        return UsedModel(int(model), spec, meant)

    def purge_models(self, before: int, limit: int = 2000, spared: int = 0) -> bool:
        """Drop a slice of the vectors of models that are not in use since ``before``.

        Args:
            before: seconds since the epoch.
            limit: the most vectors to drop.
            spared: the id of a model that is to be used next, 0 for none.

        Returns:
            Whether there was anything; call again until there is not.
        """
        row = self._writer.first(
            "SELECT id FROM models WHERE left_at < ? AND id <> ?", before, spared
        )
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
        rows = self._writer.fetch(
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
        photos = self._writer.fetch(
            "SELECT photo_id FROM vectors WHERE photo_id > ? AND model_id = ?"
            " ORDER BY photo_id LIMIT ?",
            *(after, model, limit),
        )
        if not photos:
            return None
        last = int(photos[-1][0])
        self._writer.write(
            "DELETE FROM vectors WHERE photo_id > ? AND photo_id <= ? AND model_id = ?",
            *(after, last, model),
        )
        return last

    def forget_model(self, model: int) -> None:
        """Drop a model that has no vector of a photo any more, with its vectors of texts."""
        self._writer.write("DELETE FROM text_vectors WHERE model_id = ?", model)
        self._writer.write("DELETE FROM tallies WHERE what = 'vectors' AND id = ?", model)
        self._writer.write("DELETE FROM models WHERE id = ?", model)
        self._dims.pop(model, None)
        self._purged.pop(model, None)

    def put_text_vector(self, model: int, text: str, vector: NDArray[np.float32], now: int) -> None:
        """Keep the vector of a query, in full precision, under a hash of its text.

        The newest 10,000 are kept.
        """
        (key,) = self._writer.fetch("SELECT key FROM text_key")[0]
        blob = self.checked(model, vector).astype("<f4").tobytes()
        self._writer.write(
            "INSERT INTO text_vectors (model_id, text, vector, used_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET vector = excluded.vector, used_at = excluded.used_at",
            *(model, hash_of(text, key), blob, now),
        )
        self._writer.write(
            "DELETE FROM text_vectors WHERE rowid IN (SELECT rowid FROM text_vectors"
            " ORDER BY used_at, rowid"
            " LIMIT max(0, (SELECT count(*) FROM text_vectors) - ?))",
            TEXT_VECTORS_KEPT,
        )

    def checked(self, model: int, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a vector that has as many numbers as the model's have.

        Raises:
            EncodeError: it has not.
        """
        dim = self._dim(model)
        if vector.shape != (dim,):
            raise EncodeError(
                f"a vector of shape {vector.shape} does not fit the model, whose vectors have {dim}"
            )
        return vector

    def _dim(self, model: int) -> int:
        if model not in self._dims:
            row = self._writer.first("SELECT dim FROM models WHERE id = ?", model)
            if row is None:
                raise RuntimeError(f"no model {model} in the catalog")
            self._dims[model] = int(row[0])
        return self._dims[model]
