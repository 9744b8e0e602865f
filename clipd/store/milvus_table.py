"""One collection of a Milvus: made, indexed, loaded, read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clipd.store.milvus_link import MilvusLink

_CALL_SECONDS = 8.0
_DEFINITION_SECONDS = 10.0
_METRIC = "IP"
_DROP = "drop it there, and clipd fills it anew"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """What every row has.

    Attributes:
        kind: as ``pymilvus.DataType`` calls it.
        options: what Milvus wants to know besides.
    """

    name: str
    kind: str
    options: Mapping[str, int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableIndex:
    """By what the vectors of a collection are searched."""

    column: str
    kind: str
    params: Mapping[str, int] = field(default_factory=dict)


class MilvusTable:
    """Rows in columns. Any thread may read; the indexer's makes and writes."""

    def __init__(
        self, link: MilvusLink, name: str, columns: Sequence[TableColumn], index: TableIndex
    ) -> None:
        """Name a collection; Milvus is not asked yet."""
        self.name = name
        self._link = link
        self._columns = columns
        self._index = index

    def open(self) -> bool:
        """Have it there, with its index, in the memory of Milvus; return whether it is new.

        These are three steps: who was killed between them left one that cannot be searched.

        Raises:
            IndexAwayError: Milvus does not answer, is still loading it, or it is another's.
        """
        link, seconds = self._link, _DEFINITION_SECONDS
        is_new = not link.call(lambda c: c.has_collection(self.name, timeout=seconds))
        if is_new:
            link.call(self._make)
        else:
            self._check()
        indexes = link.call(lambda c: c.list_indexes(self.name, timeout=seconds))
        if not indexes:
            link.call(self._make_index)
        elif not is_new:
            self._check_index(indexes[0])
        self._load(has_time=is_new)
        return is_new

    def query(self, condition: str, columns: list[str], **options: Any) -> list[Any]:
        """Return rows as they are now, in no order."""
        # Strong: query_iterator, and whatever is read with less, still list what was deleted.
        rows: list[Any] = self._link.call(
            lambda c: c.query(
                self.name,
                filter=condition,
                output_fields=columns,
                consistency_level="Strong",
                timeout=_CALL_SECONDS,
                **options,
            )
        )
        return rows

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        """Write rows, over those of the same key."""
        self._link.call(lambda c: c.upsert(self.name, rows, timeout=_CALL_SECONDS))

    def delete(self, keys: list[Any]) -> None:
        """Delete rows; keys that are not there are passed over."""
        self._link.call(lambda c: c.delete(self.name, ids=keys, timeout=_CALL_SECONDS))

    def flush(self) -> None:
        """Have Milvus begin to build the index of what was written last; it takes its time."""
        self._link.call(lambda c: c.flush(self.name, timeout=_DEFINITION_SECONDS, _async=True))

    def drop(self) -> None:
        """Have it gone; it need not be there."""
        self._link.call(lambda c: c.drop_collection(self.name, timeout=_DEFINITION_SECONDS))

    def _check(self) -> None:
        """Refuse a collection of our name that holds something else."""
        what = self._link.call(
            lambda c: c.describe_collection(self.name, timeout=_DEFINITION_SECONDS)
        )
        dims = {each["name"]: each.get("params", {}).get("dim", 0) for each in what["fields"]}
        for column in self._columns:
            there = int(dims.get(column.name, -1))
            if there != column.options.get("dim", 0):
                raise self._link.refuse(self._difference(column, there))

    def _check_index(self, index: str) -> None:
        """Refuse one whose index measures something else, since no search of it would succeed."""
        what = self._link.call(
            lambda c: c.describe_index(self.name, index, timeout=_DEFINITION_SECONDS)
        )
        there = str((what or {}).get("metric_type", "nothing"))
        if there != _METRIC:
            raise self._link.refuse(
                f"the index of the collection {self.name} there measures {there}, and that of "
                f"clipd {_METRIC}; {_DROP}"
            )

    def _difference(self, column: TableColumn, dim: int) -> str:
        if dim < 0:
            return f"the collection {self.name} there has no {column.name}; {_DROP}"
        return (
            f"the vectors of the collection {self.name} there have {dim or 'no'} numbers, and "
            f"those of this model {column.options.get('dim', 0)}; {_DROP}"
        )

    def _make(self, client: Any) -> None:
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        for column in self._columns:
            kind = getattr(self._link.library.DataType, column.kind)
            schema.add_field(column.name, kind, **column.options)
        client.create_collection(self.name, schema=schema, timeout=_DEFINITION_SECONDS)

    def _make_index(self, client: Any) -> None:
        wanted = client.prepare_index_params()
        wanted.add_index(
            self._index.column,
            index_type=self._index.kind,
            metric_type=_METRIC,
            params=dict(self._index.params),
        )
        client.create_index(self.name, wanted, timeout=_DEFINITION_SECONDS, sync=False)

    def _load(self, has_time: bool) -> None:
        """Have Milvus take it into its memory.

        Args:
            has_time: wait for that; where there are many rows it may take minutes.
        """
        states = self._link.library.client.types.LoadState

        def state(client: Any) -> object:
            return client.get_load_state(self.name, timeout=_DEFINITION_SECONDS)["state"]

        if self._link.call(state) == states.Loaded:
            return
        seconds = _DEFINITION_SECONDS
        self._link.call(
            lambda c: c.load_collection(self.name, timeout=seconds, _async=not has_time)
        )
        if self._link.call(state) != states.Loaded:
            raise self._link.refuse("it is still loading the vectors; this may take minutes")
