"""The photos of one library and one model in Milvus, and the bookmark that says how far they go."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from clipd.photo import Ids, Vectors
from clipd.store.milvus_link import MilvusLink

MOST = 16_384  # rows that Milvus returns at once (quotaAndLimits.limits.topK)
_BOOKMARKS = "clipd_bookmarks"
_ROWS = 2000  # in one message: 4 MB of 512 dimensions, of 64 that Milvus takes
_LISTED = 5000  # ids in one expression
_SEARCH_SECONDS = 1.4  # with what a connection takes, an answer or a refusal comes within 2
_PAGE_SECONDS = 8.0
_DEFINITION_SECONDS = 10.0
# Recall .994 of the ten best at 100,000 x 512, as measured; ef is what a search looks at.
_GRAPH = {"M": 16, "efConstruction": 200}
_LEAST_EF = 256
# What was not flushed is searched without that graph: by the server through a rough index of its
# own from some 5,000 rows on (recall .63 at 20,000), by Milvus Lite row by row (.25 ms each).
_UNFLUSHED, _UNFLUSHED_LITE = 4000, 1000


@dataclass(frozen=True, slots=True)
class Bookmark:
    """How far a collection follows its catalog.

    Attributes:
        seq: the catalog's journal up to there is in it.
        filled: while it is filled for the first time, the last photo that was put in; -1: it is.
    """

    seq: int
    filled: int

    @property
    def is_filling(self) -> bool:
        """Whether photos are still missing that were there before ``seq``."""
        return self.filled >= 0


class MilvusCollection:
    """Rows of id and vector. Any thread may read; the indexer's opens and writes."""

    def __init__(self, link: MilvusLink, lineage: str, model: str, dim: int) -> None:
        """Name a collection.

        Args:
            lineage: of the catalog.
            model: fingerprint.
            dim: how long vectors are.
        """
        self._link = link
        self._lineage = lineage
        self._model = model
        self.dim = dim
        self._unflushed = 0  # rows written since Milvus was last told to flush
        short = hashlib.blake2b(model.encode(), digest_size=6).hexdigest()
        self.name = f"{prefix_of(lineage)}{short}"

    def open(self) -> Bookmark | None:
        """Make it, where it is not there, have it loaded, and return how far it goes.

        Returns:
            None where it is new, or was left without a bookmark.

        Raises:
            IndexAwayError: Milvus does not answer, is still loading it, or it is another's.
        """
        self._make_bookmarks()
        is_new = not self._has(self.name)
        if is_new:
            self._make()
        else:
            self._check()
        for name in (self.name, _BOOKMARKS):
            self._load(name)
        return None if is_new else self._bookmark()

    def clear(self) -> None:
        """Drop it and make it anew, empty."""
        self._link.call(lambda c: c.drop_collection(self.name, timeout=_DEFINITION_SECONDS))
        self._make()
        self._load(self.name)

    def drop_others(self, models: Collection[str]) -> None:
        """Drop what this catalog has here of models that it does not know any more."""
        known = {MilvusCollection(self._link, self._lineage, each, 0).name for each in models}
        for name in self._link.call(lambda c: c.list_collections(timeout=_DEFINITION_SECONDS)):
            if name.startswith(prefix_of(self._lineage)) and name not in known | {self.name}:
                self._drop(name)

    def mark(self, bookmark: Bookmark) -> None:
        """Keep how far it goes; to be called after what it says is written."""
        row = {
            "name": self.name,
            "seq": bookmark.seq,
            "filled": bookmark.filled,
            "lineage": self._lineage,
            "model": self._model,
            "unused": [1.0, 0.0],
        }
        self._link.call(partial(_upsert, _BOOKMARKS, [row]))

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Write rows, over those of the same ids."""
        for start in range(0, len(ids), _ROWS):
            some = slice(start, start + _ROWS)
            pairs = zip(ids[some].tolist(), vectors[some], strict=True)
            rows = [{"id": photo, "vector": vector} for photo, vector in pairs]
            self._link.call(partial(_upsert, self.name, rows))
        self._unflushed += len(ids)
        if self._unflushed >= (_UNFLUSHED_LITE if self._link.is_lite else _UNFLUSHED):
            self.flush()

    def flush(self) -> None:
        """Have Milvus begin to build its graph of what was written last; it takes its time."""
        if self._unflushed:
            self._unflushed = 0
            self._link.call(lambda c: c.flush(self.name, timeout=_DEFINITION_SECONDS, _async=True))

    def remove(self, ids: Ids) -> None:
        """Delete rows; ids that are not there are passed over."""
        for start in range(0, len(ids), _LISTED):
            some = ids[start : start + _LISTED].tolist()
            self._link.call(partial(_delete, self.name, some))

    def nearest(self, query: Vectors, count: int) -> Ids:
        """Return up to ``count`` ids, about those of the largest inner products.

        What was written less than half a second ago may be missing, or still be there.
        """
        limit = min(count, MOST)
        found = self._link.ask(
            lambda c: c.search(
                self.name,
                [query.reshape(-1)],
                limit=limit,
                output_fields=["id"],
                search_params={"metric_type": "IP", "params": {"ef": max(_LEAST_EF, limit)}},
                consistency_level="Bounded",
                timeout=_SEARCH_SECONDS,
            )
        )
        return np.array([hit["id"] for hit in found[0]], dtype=np.int64)

    def held(self, after: int, upto: int) -> Ids:
        """Return which ids in (after, upto] are there now, ascending."""
        if upto - after > MOST:  # as many ids as fit into one answer, whichever there are
            half = (after + upto) // 2
            return np.concatenate([self.held(after, half), self.held(half, upto)])
        return self._ids(f"id > {after} and id <= {upto}")

    def held_of(self, ids: Ids) -> Ids:
        """Return which of ``ids`` are there now, ascending."""
        pages = [
            self._ids(f"id in {ids[start : start + _LISTED].tolist()}")
            for start in range(0, len(ids), _LISTED)
        ]
        return np.sort(np.concatenate(pages)) if pages else np.empty(0, np.int64)

    def some_behind(self, after: int) -> Ids:
        """Return ids behind ``after``, ascending: all, or as many as Milvus gives at once."""
        return self._ids(f"id > {after}")

    def count(self) -> int:
        """Return how many rows there are now."""
        return int(self._query(self.name, "", ["count(*)"])[0]["count(*)"])

    def _ids(self, condition: str) -> Ids:
        rows = self._query(self.name, condition, ["id"], limit=MOST)
        return np.sort(np.array([row["id"] for row in rows], dtype=np.int64))

    def _query(self, name: str, condition: str, fields: list[str], **options: Any) -> list[Any]:
        # Strong: query_iterator, and whatever is read with less, still list what was deleted.
        rows: list[Any] = self._link.call(
            lambda c: c.query(
                name,
                filter=condition,
                output_fields=fields,
                consistency_level="Strong",
                timeout=_PAGE_SECONDS,
                **options,
            )
        )
        return rows

    def _bookmark(self) -> Bookmark | None:
        fields = ["seq", "filled", "lineage", "model"]
        rows = self._query(_BOOKMARKS, f'name == "{self.name}"', fields)
        if not rows:
            return None
        row = rows[0]
        if (row["lineage"], row["model"]) != (self._lineage, self._model):
            raise self._link.refuse(
                f"the collection {self.name} there is the index of another library or model; "
                "drop it there, or name another Milvus as index.uri"
            )
        return Bookmark(int(row["seq"]), int(row["filled"]))

    def _has(self, name: str) -> bool:
        return bool(self._link.call(lambda c: c.has_collection(name, timeout=_DEFINITION_SECONDS)))

    def _check(self) -> None:
        """Refuse a collection of our name that holds something else."""
        what = self._link.call(
            lambda c: c.describe_collection(self.name, timeout=_DEFINITION_SECONDS)
        )
        dims = {each["name"]: each.get("params", {}).get("dim", 0) for each in what["fields"]}
        if dims.get("vector") is None or int(dims["vector"]) != self.dim:
            raise self._link.refuse(
                f"the vectors of the collection {self.name} there have "
                f"{dims.get('vector', 'no')} numbers, and those of this model {self.dim}; "
                "drop it there, and clipd fills it anew"
            )

    def _make(self) -> None:
        kinds = self._link.library.DataType
        # Milvus Lite computes a graph anew at every start; so few photos are sooner compared.
        kind, params = ("FLAT", {}) if self._link.is_lite else ("HNSW", _GRAPH)

        def make(client: Any) -> None:
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", kinds.INT64, is_primary=True)
            schema.add_field("vector", kinds.FLOAT_VECTOR, dim=self.dim)
            index = client.prepare_index_params()
            index.add_index("vector", index_type=kind, metric_type="IP", params=params)
            client.create_collection(
                self.name, schema=schema, index_params=index, timeout=_DEFINITION_SECONDS
            )

        self._link.call(make)

    def _make_bookmarks(self) -> None:
        if self._has(_BOOKMARKS):
            return
        kinds = self._link.library.DataType

        def make(client: Any) -> None:
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("name", kinds.VARCHAR, is_primary=True, max_length=128)
            for name in ("seq", "filled"):
                schema.add_field(name, kinds.INT64)
            for name in ("lineage", "model"):
                schema.add_field(name, kinds.VARCHAR, max_length=256)
            schema.add_field("unused", kinds.FLOAT_VECTOR, dim=2)  # Milvus wants a vector
            index = client.prepare_index_params()
            index.add_index("unused", index_type="FLAT", metric_type="IP")
            client.create_collection(
                _BOOKMARKS, schema=schema, index_params=index, timeout=_DEFINITION_SECONDS
            )

        self._link.call(make)

    def _load(self, name: str) -> None:
        """Have Milvus take a collection into its memory, which may take it minutes."""
        states = self._link.library.client.types.LoadState

        def state(client: Any) -> object:
            return client.get_load_state(name, timeout=_DEFINITION_SECONDS)["state"]

        if self._link.call(state) == states.Loaded:
            return
        self._link.call(lambda c: c.load_collection(name, timeout=_DEFINITION_SECONDS, _async=True))
        if self._link.call(state) != states.Loaded:
            raise self._link.refuse("it is still loading the vectors; this may take minutes")

    def _drop(self, name: str) -> None:
        self._link.call(lambda c: c.drop_collection(name, timeout=_DEFINITION_SECONDS))
        self._link.call(partial(_delete, _BOOKMARKS, [name]))


def prefix_of(lineage: str) -> str:
    """Return how the names of all collections of one catalog begin."""
    return f"clipd_{lineage[:16]}_"


def _upsert(name: str, rows: list[dict[str, Any]], client: Any) -> None:
    client.upsert(name, rows, timeout=_PAGE_SECONDS)


def _delete(name: str, keys: list[Any], client: Any) -> None:
    client.delete(name, ids=keys, timeout=_PAGE_SECONDS)
