"""However a condition is answered, it is answered as if every path were looked at by itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipd.photo import Meta
from clipd.store import photo_filter
from clipd.store.condition_sql import tables, where
from clipd.store.conditions import (
    AddedSince,
    Condition,
    Criterion,
    FileNamed,
    FolderNamed,
    Has,
    InFolder,
    InPlace,
    MadeWith,
    Near,
    OfFormat,
    OfKind,
    Tagged,
    TakenBetween,
    TakenEveryYear,
    Whereabouts,
    Within,
)
from clipd.store.photo_filter import PhotoFilter
from tests.store.stock import Stock, a_hash, a_print

TAKEN = ("", "2018-03-01T08:00:00", "2019-07-12T23:59:59", "2020-12-25T08:00:00")
CAMERAS = ("", "Canon EOS 80D", "CANON EOS R5", "FUJIFILM X-T3")
PLACES = (("", "", ""), ("IT", "Toscana", "Firenze"), ("DE", "Bayern", "München"))
NAMES = (b"a.jpg", b"IMG_1.jpg", b"img%2.png", b"My Screen Shot.jpg")
CRITERIA: tuple[Criterion, ...] = (
    *(OfFormat("JPEG"), OfFormat("PNG"), OfKind("square"), OfKind("screenshot"), AddedSince(2)),
    *(Within("rating", 3), Within("size_bytes", 150), Within("width", None, 5)),
    *(TakenBetween(datetime(2019, 1, 1), datetime(2020, 1, 1)), TakenBetween(datetime(2019, 1, 1))),
    *(TakenBetween(None, datetime(2019, 1, 1)), TakenEveryYear(12), TakenEveryYear(7, 12)),
    *(MadeWith("canon"), MadeWith("x-t"), MadeWith("50mm", is_lens=True)),
    *(
        Tagged("sea"),
        Tagged("étè"),
        InPlace("it"),
        InPlace("", "bayern"),
        InPlace("", "", "münchen"),
    ),
    *(Near(43.7, 11.2, 30), Has("gps"), Has("tags"), Has("copies"), Has("date"), Has("exif")),
    *(InFolder(b"/photos/a"), FolderNamed("B"), FileNamed("mg_1"), FileNamed("%"), FileNamed("_")),
    *(FileNamed("im?%*", True), FileNamed("*1*", True)),
)
CONDITIONS = st.lists(
    st.builds(
        Condition,
        st.lists(st.sampled_from(CRITERIA), min_size=1, max_size=2).map(tuple),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)
PATHS = st.tuples(st.sampled_from([b"/photos/a", b"/photos/b"]), st.sampled_from(NAMES))


@st.composite
def metas(draw: st.DrawFn) -> tuple[Meta, tuple[str, str, str]]:
    place = draw(st.sampled_from(PLACES))
    meta = Meta(
        taken=draw(st.sampled_from(TAKEN)),
        taken_from="exif",
        camera=draw(st.sampled_from(CAMERAS)),
        lens=draw(st.sampled_from(["", "EF 50mm"])),
        rating=draw(st.sampled_from([None, 2, 4])),
        has_exif=draw(st.booleans()),
        tags=draw(st.sampled_from([(), ("Sea",), ("sea", "Étè")])),
    )
    return (replace(meta, lat=43.77, lon=11.25) if place[0] == "IT" else meta), place


PHOTOS = st.lists(
    st.tuples(
        st.none() | metas(),
        st.sampled_from([("JPEG", 4, 3), ("PNG", 1170, 2532), ("JPEG", 8, 8)]),
        st.lists(PATHS, min_size=1, max_size=2),
        st.booleans(),  # whether the last path is gone
    ),
    min_size=1,
    max_size=6,
)
Photos = list[
    tuple[
        tuple[Meta, tuple[str, str, str]] | None,
        tuple[str, int, int],
        list[tuple[bytes, bytes]],
        bool,
    ]
]


@contextmanager
def filled(photos: Photos) -> Iterator[Stock]:
    with tempfile.TemporaryDirectory() as folder, Stock(Path(folder)) as stock:
        with stock.catalog.writing():
            for number, (said, (kind, width, height), paths, is_gone) in enumerate(photos):
                taken = TAKEN[number % 2]
                photo = stock.catalog.add_photo(a_hash(number), width, height, kind, taken, number)
                for place, (above, name) in enumerate(paths):
                    path = b"%s/%d/%s" % (above, number, name)
                    seen = a_print(10 * number + place, size=100 + 60 * place)
                    stock.catalog.put_path(stock.root, path, seen, photo)
                if is_gone:
                    stock.catalog.forget_path(path, 5)
                if said is not None:
                    stock.catalog.put_meta(photo, said[0], *said[1])
        yield stock


def path_by_path(stock: Stock, conditions: list[Condition]) -> list[int]:
    passing = where(conditions, Whereabouts())
    rows = stock.reader.connections.fetch(
        f"SELECT DISTINCT paths.photo_id FROM {tables(passing.text)} WHERE {passing.text}",
        *passing.values,
    )
    return sorted(photo for (photo,) in rows)


@pytest.mark.parametrize("few", [0, 50_000])
def test_an_answer_is_that_of_all_paths_one_by_one(few: int) -> None:
    @settings(max_examples=150, deadline=None)
    @given(photos=PHOTOS, conditions=CONDITIONS)
    def agrees(photos: Photos, conditions: list[Condition]) -> None:
        with filled(photos) as stock:
            found = PhotoFilter(stock.reader.connections).ids(conditions, Whereabouts())
            assert found.tolist() == path_by_path(stock, conditions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photo_filter, "_FEW", few)
        agrees()


def test_a_time_or_something_else_is_no_short_time(tmp_path: Path) -> None:
    with Stock(tmp_path) as stock:
        with stock.catalog.writing():
            first = stock.put(b"/photos/1.jpg", 1)
            stock.catalog.put_meta(first, Meta(taken=TAKEN[2]))
        year = TakenBetween(datetime(2019, 1, 1), datetime(2020, 1, 1))
        asked = [Condition((year, OfFormat("JPEG")))]
        found = PhotoFilter(stock.reader.connections).ids(asked, Whereabouts())
        assert found.tolist() == path_by_path(stock, asked)


READS_ALL = re.compile(r"SCAN (paths|photos|meta|tags)\b(?!.*COVERING)")
LED: dict[str, Criterion] = {
    "camera": MadeWith("canon"),
    "lens": MadeWith("50mm", is_lens=True),
    "city": InPlace("", "", "Firenze"),
    "country": InPlace("IT"),
    "tag": Tagged("sea"),
    "rating": Within("rating", 4),
    "a short time": TakenBetween(datetime(2019, 1, 1), datetime(2020, 1, 1)),
    "near": Near(43.7, 11.2, 30),
    "folder": InFolder(b"/photos/a"),
    "folder's name": FolderNamed("a"),
}


@pytest.mark.parametrize("criterion", LED.values(), ids=LED.keys())
def test_what_has_an_index_reads_no_whole_table(tmp_path: Path, criterion: Criterion) -> None:
    with Stock(tmp_path) as stock:
        with stock.catalog.writing():
            stock.catalog.put_meta(stock.put(b"/photos/a/1.jpg", 1), Meta(taken=TAKEN[2]))
        statements: list[str] = []
        with stock.reader.connections.lent() as connection:
            connection.set_trace_callback(statements.append)

        PhotoFilter(stock.reader.connections).ids([Condition((criterion,))], Whereabouts())

        connection.set_trace_callback(None)
        steps = [
            row[3]
            for sql in statements
            for row in connection.execute("EXPLAIN QUERY PLAN " + sql).fetchall()
        ]
        assert steps
        assert [step for step in steps if READS_ALL.match(step)] == []
