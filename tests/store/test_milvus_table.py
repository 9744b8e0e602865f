from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from clipd.errors import IndexAwayError
from clipd.store.milvus_link import MilvusLink
from clipd.store.milvus_table import MilvusTable, TableColumn, TableIndex

COLUMNS = (
    TableColumn("id", "INT64", {"is_primary": True}),
    TableColumn("vector", "FLOAT_VECTOR", {"dim": 4}),
)
ROW = {"id": 7, "vector": [1.0, 0.0, 0.0, 0.0]}


@pytest.fixture
def link(milvus: str) -> Iterator[MilvusLink]:
    made = MilvusLink(milvus)
    made.connect()
    yield made
    made.close()


def a_table(link: MilvusLink, name: str) -> MilvusTable:
    return MilvusTable(link, name, COLUMNS, TableIndex("vector", "FLAT"))


def make_by_hand(link: MilvusLink, name: str, metric: str) -> None:
    """Make a collection, and an index of it unless there is no metric."""

    def make(client: Any) -> None:
        schema = client.create_schema(auto_id=False)
        kinds = link.library.DataType
        schema.add_field("id", kinds.INT64, is_primary=True)
        schema.add_field("vector", kinds.FLOAT_VECTOR, dim=4)
        client.create_collection(name, schema=schema)
        if metric:
            wanted = client.prepare_index_params()
            wanted.add_index("vector", index_type="FLAT", metric_type=metric)
            client.create_index(name, wanted)

    link.call(make)


def open_patiently(link: MilvusLink, table: MilvusTable) -> None:
    """Open it as clipd does, which does not wait while Milvus loads what was there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(IndexAwayError):
            link.connect()
            table.open()
            return
        threading.Event().wait(0.5)
    pytest.fail(link.reason)


def test_what_was_written_is_read_until_it_is_deleted(link: MilvusLink) -> None:
    table = a_table(link, "written")
    assert table.open()
    table.upsert([ROW])
    table.upsert([ROW])
    assert not table.open()
    assert [row["id"] for row in table.query("id > 0", ["id"])] == [7]
    table.delete([7, 8])
    assert list(table.query("id > 0", ["id"])) == []
    table.drop()


@pytest.mark.parametrize("steps", ["made", "made and indexed"])
def test_one_whose_making_was_cut_short_is_made_ready(link: MilvusLink, steps: str) -> None:
    make_by_hand(link, "cut_short", "IP" if "indexed" in steps else "")
    table = a_table(link, "cut_short")

    open_patiently(link, table)

    table.upsert([ROW])
    assert [row["id"] for row in table.query("id > 0", ["id"])] == [7]
    table.drop()


def test_one_whose_index_measures_something_else_is_refused(link: MilvusLink) -> None:
    make_by_hand(link, "far_apart", "L2")
    table = a_table(link, "far_apart")
    with pytest.raises(IndexAwayError, match=r"far_apart there measures L2.*drop it there"):
        table.open()
    link.connect()
    table.drop()
    open_patiently(link, table)
    table.drop()
