from __future__ import annotations

from clipd.search.query import Query, Term


def test_a_query_is_written_as_a_person_would() -> None:
    beach, dog = Term(text="beach"), Term(0.5, text="red dog")
    assert str(Query((beach,))) == "beach"
    assert str(Query((beach, dog, Term(-1, path=b"/a\xff")))) == "beach + 0.5 red dog - /a\\xff"
    assert str(Query((Term(-2, text="people"), Term(picture=b"x")))) == "- 2 people + (a picture)"
