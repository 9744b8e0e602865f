"""The photos of one library and one model in Milvus, and the bookmark that says how far they go."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from clipd.photo import Ids, Vectors
from clipd.store.milvus_link import MilvusLink
from clipd.store.milvus_table import MilvusTable, TableColumn, TableIndex

MOST = 16_384  # rows that Milvus returns at once (quotaAndLimits.limits.topK)
_BOOKMARKS = "clipd_bookmarks"
_BOOKMARK_COLUMNS = (
    TableColumn("name", "VARCHAR", {"is_primary": True, "max_length": 128}),
    TableColumn("seq", "INT64"),
    TableColumn("filled", "INT64"),
    TableColumn("lineage", "VARCHAR", {"max_length": 256}),
    TableColumn("model", "VARCHAR", {"max_length": 256}),
    TableColumn("unused", "FLOAT_VECTOR", {"dim": 2}),  # Milvus wants a vector
)
_BOOKMARK_INDEX = TableIndex("unused", "FLAT")
_ROWS = 2000  # in one message: 4 MB of 512 dimensions, of 64 that Milvus takes
_LISTED = 5000  # ids in one expression
_SEARCH_SECONDS = 1.4  # with what a connection takes, an answer or a refusal comes within 2
_LIST_SECONDS = 10.0
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
        self._rows = MilvusTable(link, self.name, _columns(dim), _index(link))
        self._bookmarks = MilvusTable(link, _BOOKMARKS, _BOOKMARK_COLUMNS, _BOOKMARK_INDEX)

    def open(self) -> Bookmark | None:
        """Make it, where it is not there, have it loaded, and return how far it goes.

        Returns:
            None where it is new, or was left without a bookmark.

        Raises:
            IndexAwayError: Milvus does not answer, is still loading it, or it is another's.
        """
        self._bookmarks.open()
        return None if self._rows.open() else self._bookmark()

    def clear(self) -> None:
        """Drop it and make it anew, empty."""
        self._rows.drop()
        self._rows.open()

    def drop_others(self, models: Collection[str]) -> None:
        """Drop what this catalog has here of models that it does not know any more."""
        known = {MilvusCollection(self._link, self._lineage, each, 0).name for each in models}
        for name in self._link.call(lambda c: c.list_collections(timeout=_LIST_SECONDS)):
            if name.startswith(prefix_of(self._lineage)) and name not in known | {self.name}:
                MilvusTable(self._link, name, (), _index(self._link)).drop()
                self._bookmarks.delete([name])

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
        self._bookmarks.upsert([row])

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Write rows, over those of the same ids."""
        for start in range(0, len(ids), _ROWS):
            some = slice(start, start + _ROWS)
            pairs = zip(ids[some].tolist(), vectors[some], strict=True)
            rows = [{"id": photo, "vector": vector} for photo, vector in pairs]
            self._rows.upsert(rows)
            self._unflushed += len(rows)

    def flush(self) -> None:
        """Have Milvus begin to build its graph of what was written last; it takes its time."""
        if self._unflushed:
            self._unflushed = 0
            self._rows.flush()

    def flush_many(self, among: int = 0) -> None:
        """As ``flush``, once it is many: every time makes a segment, and a search asks each.

        Args:
            among: how many rows there are, where a sixteenth may wait; 0: few may.
        """
        most = _UNFLUSHED_LITE if self._link.is_lite else max(_UNFLUSHED, among // 16)
        if self._unflushed >= most:
            self.flush()

    def remove(self, ids: Ids) -> None:
        """Delete rows; ids that are not there are passed over."""
        for start in range(0, len(ids), _LISTED):
            self._rows.delete(ids[start : start + _LISTED].tolist())

    def nearest(self, query: Vectors, count: int) -> Ids:
        """Return up to ``count`` ids, about those of the largest inner products.

        What was written some tenths of a second ago may be missing, or still be there.
        """
        limit = min(count, MOST)
        found = self._link.ask(
            lambda c: c.search(
                self.name,
                [query.reshape(-1)],
                limit=limit,
                output_fields=["id"],
                search_params={"metric_type": "IP", "params": {"ef": max(_LEAST_EF, limit)}},
                # Bounded shows what is new no sooner, and has a search wait where a busy Milvus
                # has not seen to all that is older than some seconds: for over 1.4 s, now and then.
                consistency_level="Eventually",
                timeout=_SEARCH_SECONDS,
            )
        )
        return np.array([hit["id"] for hit in found[0]], dtype=np.int64)

    def held(self, after: int, upto: int | None) -> Ids:
        """Return which ids in (after, upto] are there now, ascending; all behind ``after``."""
        if upto is None:
            return self._behind(after)
        if upto - after > MOST:  # as many ids as fit into one answer, whichever there are
            half = (after + upto) // 2
            return np.concatenate([self.held(after, half), self.held(half, upto)])
        return self._ids(f"id > {after} and id <= {upto}")

    def _behind(self, after: int) -> Ids:
        pages = []
        while len(page := self._ids(f"id > {after}")) >= MOST:
            # Of more than fit, Milvus leaves out any: those between are asked for once more.
            pages.append(self.held(after, int(page[-1])))
            after = int(page[-1])
        return np.concatenate([*pages, page])

    def held_of(self, ids: Ids) -> Ids:
        """Return which of ``ids`` are there now, ascending."""
        pages = [
            self._ids(f"id in {ids[start : start + _LISTED].tolist()}")
            for start in range(0, len(ids), _LISTED)
        ]
        return np.sort(np.concatenate(pages)) if pages else np.empty(0, np.int64)

    def count(self) -> int:
        """Return how many rows there are now."""
        return int(self._rows.query("", ["count(*)"])[0]["count(*)"])

    def _ids(self, condition: str) -> Ids:
        rows = self._rows.query(condition, ["id"], limit=MOST)
        return np.unique(np.array([row["id"] for row in rows], dtype=np.int64))

    def _bookmark(self) -> Bookmark | None:
        fields = ["seq", "filled", "lineage", "model"]
        rows = self._bookmarks.query(f'name == "{self.name}"', fields)
        if not rows:
            return None
        row = rows[0]
        if (row["lineage"], row["model"]) != (self._lineage, self._model):
            raise self._link.refuse(
                f"the collection {self.name} there is the index of another library or model; "
                "drop it there, or name another Milvus as index.uri"
            )
        return Bookmark(int(row["seq"]), int(row["filled"]))


def _columns(dim: int) -> tuple[TableColumn, ...]:
    return (
        TableColumn("id", "INT64", {"is_primary": True}),
        TableColumn("vector", "FLOAT_VECTOR", {"dim": dim}),
    )


def _index(link: MilvusLink) -> TableIndex:
    # Milvus Lite computes a graph anew at every start; so few photos are sooner compared.
    return TableIndex("vector", "FLAT") if link.is_lite else TableIndex("vector", "HNSW", _GRAPH)


def prefix_of(lineage: str) -> str:
    """Return how the names of all collections of one catalog begin."""
    return f"clipd_{lineage[:16]}_"
