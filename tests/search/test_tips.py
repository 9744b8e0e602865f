from __future__ import annotations

from datetime import datetime

import pytest

from clipd.search.query_keys import Surroundings
from clipd.search.query_reader import read_query
from clipd.search.tips import tips_for

PLACES = {"italy", "lake como", "como", "zürich", "it"}


@pytest.mark.parametrize(
    ("text", "tips"),
    [
        ("birthday cake", ()),
        ("birthday 2019", ("on:2019 would narrow it",)),
        ("beach July 2019 in Italy", ("on:2019-07 place:Italy would narrow it",)),
        ("boats on Lake Como", ('place:"Lake Como" would narrow it',)),
        ("ZÜRICH", ("place:ZÜRICH would narrow it",)),
        ("it 1066 120195", ()),
        ("party 2019 on:2020", ()),
        ("italy place:france 2019", ("on:2019 would narrow it",)),
        ("cat -2019 -italy", ()),
        ("~/a/b.jpg", ("that is a file: like:~/a/b.jpg",)),
        ("/my photos/b.JPG", ('that is a file: like:"/my photos/b.JPG"',)),
        ("a/b.jpg of a cat", ()),
    ],
)
def test_what_may_be_meant_is_said_and_never_done(text: str, tips: tuple[str, ...]) -> None:
    query = read_query(text, Surroundings(datetime(2026, 11, 27)))
    assert tips_for(query, PLACES) == tips
