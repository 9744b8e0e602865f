"""From the text of a query to what is asked: a table for every key, and what is refused where."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given

from clipd.errors import QueryError
from clipd.search.number_ranges import NumberRange
from clipd.search.query import Query, Term
from clipd.search.query_keys import Surroundings
from clipd.search.query_reader import read_query
from clipd.store.conditions import (
    AddedSince,
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
    Within,
)
from tests.search.test_grammar import QUERIES

NOW = datetime(2026, 11, 27, 15, 30)
AROUND = Surroundings(NOW, b"/home/me/now", b"/home/me", (70, 80, 90))


def read(text: str) -> Query:
    return read_query(text, AROUND)


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("in:.", [InFolder(b"/home/me/now")]),
        ("in:..", [InFolder(b"/home/me")]),
        ("in:./a", [InFolder(b"/home/me/now/a")]),
        ("in:a/b/", [InFolder(b"/home/me/now/a/b")]),
        ("in:~", [InFolder(b"/home/me")]),
        ("in:~/é", [InFolder("/home/me/é".encode())]),
        ("in:/", [InFolder(b"/")]),
        ('in:"//x//y"', [InFolder(b"/x/y")]),
        ("in:Italy", [FolderNamed("Italy")]),
        ("in:a|/b in:c", [FolderNamed("a"), InFolder(b"/b"), FolderNamed("c")]),
        ("name:IMG", [FileNamed("IMG")]),
        ("name:*.jp?g", [FileNamed("*.jp?g", is_glob=True)]),
        ("type:jpg|JPEG|heic|.png", [OfFormat(f) for f in ("JPEG", "JPEG", "HEIF", "PNG")]),
        ("kind:Screenshot", [OfKind("screenshot")]),
        ("mp:>12", [Within("pixels", 12e6, None, is_low_strict=True)]),
        ("mp:12", [Within("pixels", 11.5e6, 12.5e6, is_high_strict=True)]),
        ("size:5MB..", [Within("size_bytes", 5e6)]),
        ("width:1920", [Within("width", 1920, 1920)]),
        ("height:<100", [Within("height", None, 100, is_high_strict=True)]),
        ("has:copies", [Has("copies")]),
        ("is:copy|dated|offline", [Has("copies"), Has("date"), Offline()]),
        ("is:new", [AddedSince(int(datetime(2026, 11, 20, 15, 30).timestamp()))]),
        ("on:2019", [TakenBetween(datetime(2019, 1, 1), datetime(2020, 1, 1))]),
        ("camera:canon|Fuji", [MadeWith("canon"), MadeWith("Fuji")]),
        ('lens:"50mm f/1.8"', [MadeWith("50mm f/1.8", is_lens=True)]),
        ("tag:Holiday", [Tagged("Holiday")]),
        ("rating:>=4", [Within("rating", 4)]),
        ("place:Italy", [InPlace("IT")]),
        ("place:Italien|xyzzy", [InPlace("IT"), InPlace(city="xyzzy"), InPlace(region="xyzzy")]),
        ("near:43.77,-11.25,500m", [Near(43.77, -11.25, 0.5)]),
        ("near:0,180", [Near(0, 180, 10)]),
        ("has:gps|exif|tags", [Has("gps"), Has("exif"), Has("tags")]),
        ("on:*-12-25", [TakenEveryYear(12, 25)]),
        ("after:2019", [TakenBetween(start=datetime(2019, 1, 1))]),
        ("before:2020-02", [TakenBetween(end=datetime(2020, 2, 1))]),
    ],
)
def test_a_filter_is_the_condition_that_it_says(text: str, criteria: list[Criterion]) -> None:
    query = read(text)
    assert query.terms == ()
    (condition,) = query.conditions
    assert list(condition.criteria) == criteria
    assert not condition.is_negated


def test_one_key_is_an_or_and_others_are_an_and_and_a_minus_stands_alone() -> None:
    query = read("type:png in:a type:gif -in:b -in:c|d")
    assert [(len(each.criteria), each.is_negated) for each in query.conditions] == [
        (2, False),
        (1, False),
        (1, True),
        (2, True),
    ]
    assert query.conditions[0].label == "type png or type gif"
    assert query.conditions[3].label == "not in c or d"


def test_words_and_pictures_are_terms_with_their_weights() -> None:
    query = read('red car "two dogs"^.5 -people like:a.jpg|@2^2 unlike:@1 -like:/b type:png sea')
    assert query.terms == (
        Term(text="red car"),
        Term(0.5, text="two dogs"),
        Term(-1.0, text="people"),
        Term(2.0, path=b"/home/me/now/a.jpg"),
        Term(2.0, photo=80),
        Term(-1.0, photo=70),
        Term(-1.0, path=b"/b"),
        Term(text="sea"),
    )


def test_what_ranks_and_what_is_shown_is_read() -> None:
    query = read('cat sort:-date unique:burst score:0.5 raw:<.2 not:"a dog"|snow')
    assert (query.sort, query.unique) == ("-date", "burst")
    assert query.confidence == NumberRange(0.5)
    assert query.cosine == NumberRange(None, 0.2, is_high_strict=True)
    assert query.without == ("a dog", "snow")
    assert str(query) == 'cat sort:-date unique:burst score:0.5 raw:<.2 not:"a dog"|snow'


@pytest.mark.parametrize(
    ("text", "span", "words"),
    [
        ("cat type:jpgg", (4, 13), "jpgg is no type; did you mean jpg?"),
        ("type:xyz", (0, 8), "there are jpeg"),
        ("kind:screenshoot", (0, 16), "did you mean screenshot?"),
        ("has:gbs", (0, 7), "did you mean gps?"),
        ("is:of", (0, 5), "there are offline, copy, dated, new"),
        ("on:yesteryear", (0, 13), "is no date"),
        ("on:2019-13", (0, 10), "there is no 2019-13"),
        ("after:*-12", (0, 10), "comes every year"),
        ("before:2019..2020", (0, 17), "stretch of time"),
        ("size:5MB", (0, 8), "hardly any file"),
        ("size:>5XB", (0, 9), "no size"),
        ("near:Xyzzy,20km", (0, 15), "Xyzzy is no city"),
        ("near:Italy", (0, 10), "write place:Italy"),
        ("near:91,0", (0, 9), "on earth"),
        ("mp:many", (0, 7), "no number"),
        ("width:5..3", (0, 10), "smaller number first"),
        ("sort:dat", (0, 8), "did you mean"),
        ("sort:date|name", (0, 14), "one value"),
        ("sort:date sort:name", (10, 19), "one value"),
        ("-sort:date", (0, 10), "no minus"),
        ("unique:bursts", (0, 13), "did you mean burst?"),
        ("score:high", (0, 10), "no number"),
        ("-not:cat", (0, 8), "no minus"),
        ("like:@4", (0, 7), "up to @3"),
        ("like:@x", (0, 7), "no number of a list"),
        ("like:@0", (0, 7), "up to @3"),
        ("like:@\u00b2", (0, 7), "no number of a list"),
        ("like:@" + "9" * 500, (0, 506), "up to @3"),
        ("on:99999y", (0, 9), "further away"),
    ],
)
def test_an_unknown_value_is_refused_with_its_place_and_what_would_be_right(
    text: str, span: tuple[int, int], words: str
) -> None:
    with pytest.raises(QueryError) as caught:
        read(text)
    assert words in str(caught.value)
    assert caught.value.span == span


@pytest.mark.parametrize("text", ["in:~/a", "in:.", "like:a.jpg"])
def test_a_path_that_starts_nowhere_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="write the path from /"):
        read_query(text, Surroundings(NOW))


def test_cities_are_found_by_their_names() -> None:
    (near,) = read("near:Florenz,20km").conditions[0].criteria
    assert isinstance(near, Near)
    assert (near.latitude, near.longitude) == pytest.approx((43.77, 11.25), abs=0.05)
    assert near.kilometres == 20
    first, *_ = read("place:Firenze").conditions[0].criteria
    assert first == InPlace("IT", city="Florence")


def test_a_number_of_no_list_says_that_there_is_none() -> None:
    with pytest.raises(QueryError, match="no last list"):
        read_query("like:@1", Surroundings(NOW))


@given(QUERIES)
def test_any_text_is_a_query_or_an_error_with_a_place(text: str) -> None:
    try:
        read(text)
    except QueryError as error:
        first, end = error.span
        assert 0 <= first <= end <= len(text)
