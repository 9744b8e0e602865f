"""Queries against a real index and catalog; the vectors of their words are remembered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clipd.config.options import DecoderConfig, EncoderConfig, SearchConfig
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.errors import EncodeError, RequestError
from clipd.photo import Hit
from clipd.search.query import Query, Term
from clipd.search.query_vectors import QueryVectors
from clipd.search.search import Search
from clipd.store.follow import IndexFollower
from clipd.store.view import StoreView
from clipd.watch.statx import stat_with_birth
from tests.store.stock import DIM, a_model
from tests.writepath import WritePath, write_path


def _axis(number: int) -> NDArray[np.float32]:
    vector = np.zeros(DIM, np.float32)
    vector[number] = 1
    return vector


class Desk:
    """A search over photos whose vectors are axes; its encoder is closed."""

    def __init__(self, house: WritePath, running: ExitStack) -> None:
        self.house = house
        self.follower = IndexFollower(house.reader, house.model, house.spec, "flat", house.state)
        self.follower.start()
        self.encoder = Encoder(house.spec, EncoderConfig(), house.state)
        self.encoder.close()
        self.remembered: dict[str, NDArray[np.float32]] = {}
        self.search = self._search(running)

    def _search(self, running: ExitStack) -> Search:
        house = self.house
        pool = running.enter_context(
            DecoderPool(
                DecoderConfig(processes=1),
                house.spec.preprocess,
                lambda content_hash: False,
                lambda job, outcome: None,
            )
        )
        stored = StoreView(house.spec, house.model, house.reader, self.follower)
        vectors = QueryVectors(stored, self.encoder, pool, self.remembered.__setitem__)
        return Search(stored, vectors, house.roots, SearchConfig(limit=10))

    def photo(self, name: str, axis: int) -> int:
        photo = self.house.photo(name, axis, vector=False)
        with self.house.catalog.writing():
            self.house.catalog.put_vector(self.house.model, photo, _axis(axis))
        self.follower.catch_up()
        return photo

    def word(self, word: str, vector: NDArray[np.float32]) -> None:
        with self.house.catalog.writing():
            self.house.catalog.put_text_vector(self.house.model, word, vector, 1000)

    def hits(self, *terms: Term, least: float | None = None) -> tuple[Hit, ...]:
        return self.search.answer(Query(terms, min_score=least)).hits

    def names(self, *terms: Term, least: float | None = None) -> list[str]:
        hits = self.hits(*terms, least=least)
        return [os.fsdecode(os.path.basename(hit.path)) for hit in hits]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with write_path(tmp_path) as house, ExitStack() as running:
        desk = Desk(house, running)
        for number, word in enumerate(("cat", "dog", "sea")):
            desk.photo(f"{word}.jpg", number)
            desk.word(word, _axis(number))
        yield desk


def test_the_photo_nearest_to_the_words_comes_first(desk: Desk) -> None:
    best, *others = desk.hits(Term(text="sea"))
    assert os.path.basename(best.path) == b"sea.jpg"
    assert best.score == pytest.approx(1)
    assert [hit.score for hit in others] == pytest.approx([0, 0])


def test_a_remembered_query_needs_no_encoder_in_any_spelling(desk: Desk) -> None:
    assert desk.names(Term(text="  SEA\n"))[0] == "sea.jpg"
    assert desk.remembered == {}
    with pytest.raises(EncodeError):
        desk.hits(Term(text="mountain"))


def test_only_what_the_catalog_knows_is_answered_without_waiting(desk: Desk) -> None:
    known = (Term(text="SEA"), Term(path=desk.house.path("dog.jpg")))
    answer = desk.search.answer_known(Query(known))
    assert answer is not None
    assert answer == replace(desk.search.answer(Query(known)), took_ms=answer.took_ms)
    for unknown in (Term(text="mountain"), Term(picture=b"x"), Term(path=b"/nowhere/a.jpg")):
        assert desk.search.answer_known(Query((*known, unknown))) is None


def test_words_that_say_nothing_to_the_model_in_the_box_wake_no_child(desk: Desk) -> None:
    stored = desk.search._stored
    desk.search._stored = replace(stored, spec=replace(stored.spec, name="pocket"))
    answer = desk.search.answer(Query((Term(text="zorblax"),)))
    assert answer.hits == ()
    assert 'knows nothing of "zorblax"' in answer.note
    with pytest.raises(EncodeError):  # the encoder of this desk is closed
        desk.hits(Term(text="a zorblax on a mountain"))


def test_the_words_of_another_model_are_not_taken_for_ours(desk: Desk) -> None:
    with desk.house.catalog.writing():
        other = desk.house.catalog.model(a_model("two"))
        desk.house.catalog.put_text_vector(other, "mountain", _axis(0), 1000)
    with pytest.raises(EncodeError):
        desk.hits(Term(text="mountain"))


def test_weights_decide_between_two_terms(desk: Desk) -> None:
    mostly_dog = (Term(1.0, text="cat"), Term(2.0, text="dog"))
    assert desk.names(*mostly_dog)[:2] == ["dog.jpg", "cat.jpg"]
    first, second, _ = desk.hits(*mostly_dog)
    assert (first.score, second.score) == pytest.approx((2 / 5**0.5, 1 / 5**0.5), abs=1e-3)


def test_a_minus_pushes_photos_to_the_end(desk: Desk) -> None:
    assert desk.names(Term(text="cat"), Term(-0.5, text="sea")) == ["cat.jpg", "dog.jpg", "sea.jpg"]


def test_terms_that_cancel_each_other_are_refused(desk: Desk) -> None:
    with pytest.raises(RequestError, match="cancel"):
        desk.hits(Term(text="cat"), Term(-1.0, text="cat"))


def test_the_least_score_leaves_out_the_rest(desk: Desk) -> None:
    assert desk.names(Term(text="cat"), least=0.5) == ["cat.jpg"]


def test_a_known_photo_is_its_own_query_even_while_its_root_is_away(desk: Desk) -> None:
    desk.house.photos.rename(desk.house.photos.with_name("away"))
    desk.house.see_roots()
    best, *_ = desk.hits(Term(path=desk.house.path("dog.jpg")))
    assert os.path.basename(best.path) == b"dog.jpg"
    assert best.offline


def test_a_photo_is_one_hit_with_its_other_paths(desk: Desk) -> None:
    os.link(desk.house.path("cat.jpg"), desk.house.path("a copy.jpg"))
    photo, copy = desk.house.lies_at("cat.jpg"), desk.house.path("a copy.jpg")
    assert photo is not None
    with desk.house.catalog.writing():
        desk.house.catalog.put_path(
            desk.house.root.id, copy, stat_with_birth(copy).fingerprint, photo
        )
    best, *_ = desk.hits(Term(text="cat"))
    assert {best.path, *best.also} == {desk.house.path("cat.jpg"), desk.house.path("a copy.jpg")}
    assert len(desk.hits(Term(text="cat"))) == 3


def test_a_query_picture_that_is_nowhere_is_refused(desk: Desk) -> None:
    with pytest.raises(RequestError, match="there is no file"):
        desk.hits(Term(path=b"/nowhere/a.jpg"))


def test_a_query_picture_that_is_none_is_refused_with_the_reason(desk: Desk) -> None:
    with pytest.raises(RequestError, match="not a picture"):
        desk.hits(Term(picture=b"plain words"))


def test_nothing_is_found_in_an_empty_library(tmp_path: Path) -> None:
    with write_path(tmp_path) as house, ExitStack() as running:
        desk = Desk(house, running)
        desk.word("cat", _axis(0))
        assert desk.hits(Term(text="cat")) == ()


def test_an_answer_says_how_many_photos_still_wait(desk: Desk) -> None:
    assert desk.search.answer(Query((Term(text="cat"),))).note == ""
    desk.house.photo("new.jpg", 9, vector=False)
    assert "1 of 4 photos" in desk.search.answer(Query((Term(text="cat"),))).note
