from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings

from clipd.errors import QueryError
from clipd.search.completion import MOST_OPTIONS, Completer
from clipd.search.query_keys import Surroundings
from clipd.search.query_reader import read_query
from clipd.store.selection import PhotoSelection
from tests.search.test_grammar import QUERIES
from tests.store.stock import Stock

AROUND = Surroundings(datetime(2026, 11, 27), b"/home/me/Photos", b"/home/me")
PATHS = ("Italy/Rome/1.jpg", "Italy-2/2.jpg", "Italy/3.jpg", "my trips/4.jpg", "Iran/a/b/5.jpg")
CAMERAS = ("Canon EOS 80D", "Canon EOS R6", "NIKON D850", 'odd "80s" cam', "", None)


@pytest.fixture(scope="module")
def completer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Completer]:
    with Stock(tmp_path_factory.mktemp("stock")) as stock:
        with stock.catalog.writing():
            for number, name in enumerate(PATHS):
                photo = stock.put(os.fsencode(f"/home/me/Photos/{name}"), number)
                stock.catalog.writer.write(
                    "INSERT INTO meta (photo_id, camera, city, country, read_by)"
                    " VALUES (?, ?, ?, 'IT', 1)",
                    *(photo, CAMERAS[number], "Roma" if number else None),
                )
                stock.catalog.writer.write("INSERT INTO tags VALUES (?, ?)", photo, "été")
                stock.catalog.writer.write(
                    "INSERT INTO tags VALUES (?, ?)", photo, f"a tag {number}"
                )
        made = Completer(PhotoSelection(stock.reader.connections))
        made.complete("in:a", 4, AROUND)  # opens the catalog for all tests
        yield made


@pytest.mark.parametrize(
    ("text", "start", "options"),
    [
        ("cat cam", 4, ["camera:"]),
        ("-ra", 0, ["-rating:", "-raw:"]),
        ("cat type:j", 4, ["type:jpeg", "type:jpg"]),
        ("TYPE:PN", 0, ["TYPE:png"]),
        ("sort:-", 0, ["sort:-date"]),
        ("camera:can", 0, ['camera:"Canon EOS 80D"', 'camera:"Canon EOS R6"']),
        ("camera:80", 0, ['camera:"Canon EOS 80D"']),
        ('x -camera:"NIKON d', 2, ['-camera:"NIKON D850"']),
        ("camera:odd", 0, [r'camera:"odd \"80s\" cam"']),
        (
            'camera:"NIKON D850"|can',
            0,
            [
                'camera:"NIKON D850"|"Canon EOS 80D"',
                'camera:"NIKON D850"|"Canon EOS R6"',
            ],
        ),
        ("tag:ÉT", 0, ["tag:été"]),
        ("place:ro", 0, ["place:Roma"]),
        ("place:i", 0, ["place:Italy"]),
        ("in:it", 0, ["in:Italy", "in:Italy-2"]),
        ("in:my", 0, ['in:"my trips"']),
        ("in:~", 0, ["in:~/"]),
        ("in:~/", 0, ["in:~/Photos/"]),
        ("in:./I", 0, ["in:./Iran/", "in:./Italy-2/", "in:./Italy/"]),
        ("in:/home/me/Photos/Iran/", 0, ["in:/home/me/Photos/Iran/a/"]),
        ('in:"~/Photos/my', 0, ['in:"~/Photos/my trips/"']),
        ("in:/nowhere/", 0, []),
        ("name:x", 0, []),
        ("xyz", 0, []),
        ("3:2", 0, []),
    ],
)
def test_a_word_becomes_a_key_or_a_value(
    completer: Completer, text: str, start: int, options: list[str]
) -> None:
    found = completer.complete(text + " and more", len(text), AROUND)
    assert (found.start, found.end) == (start, len(text))
    assert list(found.options) == options


def test_there_are_all_keys_at_a_new_word_and_never_more_than_50(completer: Completer) -> None:
    options = completer.complete("cat ", 4, AROUND).options
    assert {"in:", "camera:", "sort:"} <= set(options)
    assert len(options) <= MOST_OPTIONS


def test_what_is_relative_to_nowhere_has_no_options(completer: Completer) -> None:
    assert completer.complete("in:./", 5, Surroundings(AROUND.now)).options == ()


@given(QUERIES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_being_written_every_option_can_be_read(
    completer: Completer, text: str
) -> None:
    found = completer.complete(text, len(text), AROUND)
    for option in found.options:
        if not option.endswith(":"):
            try:
                read_query(option, AROUND)
            except QueryError as error:
                # Only what was written before it may be wrong.
                assert error.span[0] < len(text) - found.start  # noqa: PT017
