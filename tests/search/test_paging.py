from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipd.errors import RequestError
from clipd.search.paging import PageEnd, page_word, read_page_word

KEYS = st.floats(allow_nan=False, allow_infinity=False) | st.text() | st.integers(0, 1 << 62)


COUNTS = st.integers(0, 1 << 47)


@given(st.builds(PageEnd, KEYS, st.integers(1, 1 << 62), COUNTS, COUNTS, COUNTS))
def test_the_end_of_a_page_is_read_as_it_was_written_and_fits_an_address(end: PageEnd) -> None:
    word = page_word(end)
    assert read_page_word(word) == end
    assert word.replace("-", "").replace("_", "").isalnum()


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_anything_else_is_refused_in_a_sentence(word: str) -> None:
    try:
        read_page_word(word)
    except RequestError as error:
        assert "'next' of an answer" in str(error)  # noqa: PT017


@pytest.mark.parametrize("word", ["", "x", "bnVsbA", "WzEsMiwzXQ", "WzEsIjIiLDMsNF0", "é"])
def test_a_word_of_another_shape_is_refused(word: str) -> None:
    with pytest.raises(RequestError):
        read_page_word(word)
