"""Conditions against a real catalog: a table of photos, and which of them each condition finds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from clipd.photo import Fingerprint, Meta
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
    Offline,
    OfFormat,
    OfKind,
    Tagged,
    TakenBetween,
    TakenEveryYear,
    Whereabouts,
    Within,
)
from clipd.store.rows import aside_folder
from clipd.store.selection import Column, Facts, Order, PhotoSelection
from tests.store.stock import Stock, a_hash

ZONE = "Europe/Rome"


@dataclass(frozen=True)
class Row:
    """A photo of the table; its name is the letter that tests know it by."""

    path: str
    size: tuple[int, int] = (4000, 3000)
    format: str = "JPEG"
    taken_at: str = ""
    modified: str = "2021-06-01T12:00:00"
    size_bytes: int = 1000
    device: int = 7
    added: int = 1000


ROWS = {
    "a": Row("/p/Italy/IMG_1.jpg", taken_at="2019-07-12T23:59:59"),
    "b": Row("/p/Italy/rome/Caffè.PNG", (1170, 2532), "PNG", modified="2020-01-01T00:00:00"),
    "c": Row("/p/Screenshots/x.jpg", (1000, 1000), taken_at="2019-12-25T08:00:00"),
    "d": Row("/p/Ital/pano_100%.heic", (9000, 3000), "HEIF", size_bytes=5_000_000, added=2000),
    "e": Row("/usb/e.jpg", (3000, 4000), device=9),
    "f": Row("/p/CAFFE\u0300/cafe\u0301.jpg", taken_at="2020-12-25T08:00:00"),
}


# What the headers of some say; the others were not read yet.
METAS: dict[str, dict[str, object]] = {
    "a": {"taken": "2019-07-12T23:59:59", "taken_from": "exif", "camera": "Canon EOS 80D"}
    | {"lens": "EF 50mm", "rating": 4, "lat": 43.77, "lon": 11.25, "has_exif": 1}
    | {"country": "IT", "region": "Toscana", "city": "Firenze"},
    "b": {"taken": "2020-01-01T00:00:00", "taken_from": "file", "has_exif": 0},
    "d": {"taken": "", "camera": "FUJIFILM X-T3", "rating": 2, "lat": 45.44, "lon": 12.33},
}


@pytest.fixture
def in_rome(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", ZONE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def stock(tmp_path: Path, in_rome: None) -> Iterator[Stock]:
    with Stock(tmp_path) as stock:
        with stock.catalog.writing():
            for number, row in enumerate(ROWS.values()):
                put(stock, number, row)
            for letter, meta in METAS.items():
                photo = stock.put_id(list(ROWS).index(letter))
                columns, values = ", ".join(meta), tuple(meta.values())
                stock.catalog.writer.write(
                    f"INSERT INTO meta (photo_id, read_by, {columns})"
                    f" VALUES (?, 1{', ?' * len(values)})",
                    *(photo, *values),
                )
            for letter, tag in (("a", "Roma"), ("a", "étè"), ("d", "roma")):
                photo = stock.put_id(list(ROWS).index(letter))
                stock.catalog.writer.write("INSERT INTO tags VALUES (?, ?)", photo, tag)
            # A second path of `a`, elsewhere and larger; and one that is no more.
            here = stock.put_id(0)
            stock.catalog.put_path(stock.root, b"/q/copy.png", a_file(ROWS["a"], 50, 9000), here)
            stock.catalog.put_path(stock.root, b"/gone/a.jpg", a_file(ROWS["a"], 51), here)
            stock.catalog.forget_path(b"/gone/a.jpg", 5)
        yield stock


def put(stock: Stock, number: int, row: Row) -> None:
    photo = stock.catalog.add_photo(a_hash(number), *row.size, row.format, row.taken_at, row.added)
    path = os.fsencode(row.path)
    stock.catalog.put_path(stock.root, path, a_file(row, number + 1), photo)


def a_file(row: Row, inode: int, size_bytes: int = 0) -> Fingerprint:
    mtime_ns = int(datetime.fromisoformat(row.modified).timestamp()) * 10**9
    return Fingerprint(size_bytes or row.size_bytes, mtime_ns, mtime_ns, inode, row.device)


def found(stock: Stock, *conditions: Condition, whereabouts: Whereabouts | None = None) -> str:
    """Return the letters of the photos that pass."""
    there = whereabouts or Whereabouts((stock.root,))
    selection = PhotoSelection(stock.reader.connections)
    ids = selection.ids(conditions, there)
    assert ids.tolist() == sorted(set(ids.tolist()))
    assert selection.count(conditions, there) == len(ids)
    letters = {stock.put_id(number): letter for number, letter in enumerate(ROWS)}
    return "".join(letters[photo] for photo in ids.tolist())


@pytest.mark.parametrize(
    ("criterion", "letters"),
    [
        (InFolder(b"/p"), "abcdf"),
        (InFolder(b"/p/Italy"), "ab"),
        (InFolder(b"/p/Ital"), "d"),
        (InFolder(b"/"), "abcdef"),
        (InFolder(b"/gone"), ""),
        (FolderNamed("italy"), "ab"),
        (FolderNamed("ROME"), "b"),
        (FolderNamed("ita"), ""),
        (FolderNamed("caffè"), "f"),
        (FolderNamed("Italy/rome"), "b"),
        (FileNamed("img"), "a"),
        (FileNamed("CAFFÈ"), "b"),
        (FileNamed("café"), "f"),
        (FileNamed("100%"), "d"),
        (FileNamed("*.png", is_glob=True), "ab"),
        (FileNamed("?.jpg", is_glob=True), "ce"),
        (FileNamed("?.JPG", is_glob=True), "ce"),
        (FileNamed("*_100%.*", is_glob=True), "d"),
        (FileNamed("pano?*", is_glob=True), "d"),
        (FileNamed("*%%*", is_glob=True), ""),
        (FileNamed("[ex].jpg", is_glob=True), "ce"),
        (FileNamed("caf[eéè]*", is_glob=True), "f"),
        (OfFormat("HEIF"), "d"),
        (Within("pixels", 12e6, None), "adef"),
        (Within("pixels", 12e6, None, is_low_strict=True), "d"),
        (Within("size_bytes", 5000, 9000), "a"),
        (Within("width", None, 1000), "c"),
        (Within("height", None, 3000, is_high_strict=True), "bc"),
        (TakenBetween(datetime(2019, 7, 12), datetime(2019, 7, 13)), "a"),
        (TakenBetween(None, datetime(2020, 1, 1)), "ac"),
        (TakenBetween(datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 1)), "b"),
        (TakenBetween(datetime(2021, 1, 1)), "de"),
        (TakenEveryYear(12, 25), "cf"),
        (TakenEveryYear(7), "a"),
        (OfKind("portrait"), "be"),
        (OfKind("square"), "c"),
        (OfKind("landscape"), "adf"),
        (OfKind("panorama"), "bd"),
        (OfKind("screenshot"), "bc"),
        (Has("copies"), "a"),
        (Has("date"), "acf"),
        (AddedSince(2000), "d"),
        (MadeWith("canon"), "a"),
        (MadeWith("fuji"), "d"),
        (MadeWith("50MM", is_lens=True), "a"),
        (Tagged("ROMA"), "ad"),
        (Tagged("ÉTÈ"), "a"),
        (Tagged("rom"), ""),
        (Within("rating", 3), "a"),
        (Within("rating", 1, 4), "ad"),
        (InPlace("IT", city="firenze"), "a"),
        (InPlace(region="TOSCANA"), "a"),
        (InPlace("IT"), "a"),
        (InPlace("FR", city="Firenze"), ""),
        (Near(43.8, 11.2, 10), "a"),
        (Near(43.8, 11.2, 5), ""),  # 5.2 km
        (Near(44.5, 11.8, 200), "ad"),
        (Near(44.5, 11.8, 30_000), "ad"),
        (Has("gps"), "ad"),
        (Has("exif"), "a"),
        (Has("tags"), "ad"),
        (Offline(), ""),
    ],
)
def test_a_criterion_finds_what_it_says_and_its_negation_the_rest(
    stock: Stock, criterion: Criterion, letters: str
) -> None:
    assert found(stock, Condition((criterion,))) == letters
    rest = found(stock, Condition((criterion,), is_negated=True))
    assert set(rest) | set(letters) == set(ROWS)
    # Of `a`, one path may meet it and the other not: then it passes both ways.
    assert set(rest) & set(letters) <= {"a"}


def test_one_path_has_to_meet_all_conditions_at_once(stock: Stock) -> None:
    png = Condition((FileNamed("*.png", is_glob=True),))
    in_p, in_q = (Condition((InFolder(folder),)) for folder in (b"/p", b"/q"))
    assert found(stock, png, in_q) == "a"
    assert found(stock, png, in_p) == "b"
    assert found(stock, in_p, in_q) == ""
    assert found(stock, Condition((InFolder(b"/q"), InFolder(b"/usb")))) == "ae"
    neither = Condition((InFolder(b"/p"), InFolder(b"/q")), is_negated=True)
    assert found(stock, neither) == "e"


def test_what_cannot_be_opened_now_is_offline(stock: Stock) -> None:
    offline = Condition((Offline(),))
    away = Whereabouts((stock.root,), away=((b"/usb", 7), (b"/p", 7)))
    assert (
        found(stock, offline, whereabouts=away) == "e"
    )  # those of device 7 are there all the same
    assert found(stock, offline, whereabouts=Whereabouts()) == "abcdef"


def test_a_folder_holds_what_was_set_aside_in_it(stock: Stock) -> None:
    with stock.catalog.writing():
        aside = aside_folder(5, b"/p/Italy")
        photo = stock.catalog.add_photo(a_hash(99), 1, 1, "GIF", "", 1)
        stock.catalog.put_path(stock.root, aside + b"/z.gif", a_file(ROWS["a"], 60), photo)
    selection = PhotoSelection(stock.reader.connections)
    there = Whereabouts((stock.root,), aside=(5,))
    gif = Condition((OfFormat("GIF"),))
    inside = Condition((InFolder(b"/p"),))
    assert selection.ids([gif, inside], there).tolist() == [photo]
    assert selection.ids([gif, Condition((Offline(),))], there).tolist() == [photo]
    assert selection.ids([gif, Condition((FolderNamed("italy"),))], there).tolist() == [photo]
    assert selection.paths([gif], there, [photo]) == {b"/p/Italy/z.gif"}


@pytest.mark.parametrize(
    ("order", "letters"),
    [("date", "edfbca"), ("-date", "acbfde"), ("name", "fbaedc"), ("size", "dafecb")],
)
def test_photos_come_in_the_order_that_is_asked_for_page_by_page(
    stock: Stock, order: Order, letters: str
) -> None:
    selection = PhotoSelection(stock.reader.connections)
    names = {stock.put_id(number): letter for number, letter in enumerate(ROWS)}
    seen = ""
    behind: tuple[float | str, int] | None = None
    while page := selection.ordered((), Whereabouts(), order, 2, behind):
        seen += "".join(names[photo] for _, photo in page)
        behind = page[-1]
    assert seen == letters
    among = [photo for photo, letter in names.items() if letter in "ace"]
    rows = selection.ordered((), Whereabouts(), order, 9, among=among)
    assert [names[photo] for _, photo in rows] == [each for each in letters if each in "ace"]


def test_facts_say_when_a_photo_was_taken_and_how_that_is_known(stock: Stock) -> None:
    selection = PhotoSelection(stock.reader.connections)
    first, second = stock.put_id(0), stock.put_id(1)
    facts = selection.facts([first, second])
    assert facts[first] == Facts(
        "2019-07-12T23:59:59", "exif", "Firenze", "IT", ("Roma", "étè"), a_hash(0)
    )
    assert (facts[second].taken, facts[second].taken_from) == ("2020-01-01T00:00:00", "file")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("camera", ["Canon EOS 80D", "FUJIFILM X-T3"]),
        ("lens", ["EF 50mm"]),
        ("tag", ["Roma", "roma", "étè"]),
        ("city", ["Firenze", "Roma"]),
        ("region", ["Lazio", "Toscana"]),
        ("country", ["IT"]),
    ],
)
def test_the_words_that_photos_have_are_found_without_reading_all_of_them(
    stock: Stock, column: Column, values: list[str]
) -> None:
    with stock.catalog.writing():
        stock.catalog.put_meta(stock.put_id(4), Meta(), "IT", "Lazio", "Roma")
        for number in range(1000):
            photo = stock.catalog.add_photo(a_hash(100 + number), 4, 3, "JPEG", "", 1)
            meta = Meta(camera="FUJIFILM X-T3", lens="EF 50mm", tags=("roma",))
            stock.catalog.put_meta(photo, meta, "IT", "Toscana", "Firenze")
    hundreds: list[int] = []

    def count() -> None:
        hundreds.append(1)

    with stock.reader.connections.lent() as connection:
        connection.set_progress_handler(count, 100)

    assert PhotoSelection(stock.reader.connections).values(column, 9) == values

    connection.set_progress_handler(None, 100)
    assert len(hundreds) * 100 < 1000  # steps of SQLite's machine; each row takes some
