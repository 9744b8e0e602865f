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

from clipd.config.options import DecoderConfig, EncoderConfig, IndexConfig, SearchConfig
from clipd.decode.pool import DecoderPool
from clipd.encode.handle import Encoder
from clipd.errors import EncodeError, RequestError
from clipd.photo import META_READER, Hit
from clipd.search.calibration import Calibration, Curve
from clipd.search.calibrator import Calibrator
from clipd.search.number_ranges import NumberRange
from clipd.search.query import Query, Sort, Term, Unique
from clipd.search.query_vectors import QueryVectors
from clipd.search.search import Search
from clipd.store.conditions import Condition, FolderNamed, Offline, Within
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
        self.follower = IndexFollower(
            house.reader, house.model, house.spec, IndexConfig(kind="flat"), house.state
        )
        running.callback(self.follower.close)
        self.follower.start()
        self.encoder = Encoder(house.spec, EncoderConfig(), house.state)
        self.encoder.close()
        self.remembered: dict[str, NDArray[np.float32]] = {}
        self._pool = self._started_pool(running)
        self.search = self.restarted()

    def _started_pool(self, running: ExitStack) -> DecoderPool:
        house = self.house
        return running.enter_context(
            DecoderPool(
                DecoderConfig(processes=1),
                house.spec.preprocess,
                lambda content_hash: False,
                lambda job, outcome: None,
            )
        )

    def calibrator(self) -> Calibrator:
        """Make one that finds what was learnt before."""
        return Calibrator(self._stored(), self._vectors(), self.house.state)

    def restarted(self) -> Search:
        """Make a search that finds what was learnt before."""
        defaults = SearchConfig(limit=10)
        roots = self.house.roots
        return Search(self._stored(), self._vectors(), roots, defaults, self.calibrator())

    def _stored(self) -> StoreView:
        house = self.house
        return StoreView(house.spec, house.model, house.reader, self.follower)

    def _vectors(self) -> QueryVectors:
        remember = self.remembered.__setitem__
        return QueryVectors(self._stored(), self.encoder, self._pool, remember)

    def photo(self, name: str, axis: int, content: int | None = None) -> int:
        photo = self.house.photo(name, axis if content is None else content, vector=False)
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


def test_every_path_is_a_hit_of_its_own_where_that_is_asked_for(desk: Desk) -> None:
    photo, copy = desk.house.lies_at("cat.jpg"), desk.house.path("b/copy.jpg")
    assert photo is not None
    os.makedirs(os.path.dirname(copy))
    os.link(desk.house.path("cat.jpg"), copy)
    with desk.house.catalog.writing():
        fingerprint = stat_with_birth(copy).fingerprint
        desk.house.catalog.put_path(desk.house.root.id, copy, fingerprint, photo)
    query = Query((Term(text="cat"),), unique="off")
    first, second, *others = desk.search.answer(query).hits
    assert {first.path, second.path} == {desk.house.path("cat.jpg"), copy}
    assert (first.photo, second.photo, first.also, len(others)) == (photo, photo, (), 2)

    below = Condition((FolderNamed("b"),))
    (only,) = desk.search.answer(replace(query, conditions=(below,))).hits
    assert only.path == copy
    (hit,) = desk.search.answer(replace(query, conditions=(below,), unique="copy")).hits
    assert (hit.path, hit.also) == (copy, (desk.house.path("cat.jpg"),))


def test_what_is_offline_is_what_cannot_be_opened_now(desk: Desk) -> None:
    offline = Query((), conditions=(Condition((Offline(),)),))
    assert desk.search.answer(offline).hits == ()
    desk.house.photos.rename(desk.house.photos.with_name("away"))
    desk.house.see_roots()
    hits = desk.search.answer(offline).hits
    assert [hit.offline for hit in hits] == [True] * 3
    online = Query((), conditions=(Condition((Offline(),), is_negated=True),))
    assert desk.search.answer(online).hits == ()


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


def learnt(desk: Desk, bar: float | None = 0.5) -> None:
    """Have the desk know what scores mean: a cosine of .6 is a confidence of a half."""
    curve = Curve(0.6, 0.05)
    made = Calibration(len(desk.follower.index), bar, curve, curve)
    file = desk.house.state / "calibration" / f"{desk.house.spec.fingerprint[:32]}.json"
    file.parent.mkdir()
    file.write_text(made.to_json())
    desk.search = desk.restarted()


def test_below_the_bar_nothing_is_found_unless_anyway(desk: Desk) -> None:
    learnt(desk)
    desk.word("cloud", _axis(0) * np.float32(0.4) + _axis(9) * np.float32(0.84**0.5))
    query = Query((Term(text="cloud"),))
    answer = desk.search.answer(query)
    assert answer.hits == ()
    assert (answer.nothing, answer.left_out) == ('nothing here looks like "cloud"', True)
    best, *_ = desk.search.answer(replace(query, anyway=True)).hits
    assert os.path.basename(best.path) == b"cat.jpg"
    assert best.raw == pytest.approx(0.4, abs=1e-3)
    assert best.score is not None
    assert best.score < 0.05


def test_the_score_is_confidence_and_raw_the_cosine(desk: Desk) -> None:
    learnt(desk)
    (hit,) = desk.hits(Term(text="sea"))
    assert hit.raw == pytest.approx(1, abs=1e-3)
    assert hit.score == pytest.approx(1 / (1 + np.exp(-8)), abs=1e-3)


def test_what_is_pushed_away_makes_nothing_less_sure(desk: Desk) -> None:
    learnt(desk)
    (hit,) = desk.hits(Term(text="sea"), Term(-1.0, text="dog"))
    assert hit.raw == pytest.approx(0.7071, abs=1e-3)
    assert hit.score == pytest.approx(1 / (1 + np.exp(-8)), abs=1e-3)


def test_not_drops_what_is_surely_that(desk: Desk) -> None:
    learnt(desk, bar=None)
    query = Query((Term(text="cat"),), without=("sea", "dog"))
    assert [hit.photo for hit in desk.search.answer(query).hits] == [desk.house.lies_at("cat.jpg")]
    every = Query((), without=("sea",))
    assert len(desk.search.answer(every).hits) == 2


def test_scores_and_cosines_can_be_bounded(desk: Desk) -> None:
    learnt(desk, bar=None)
    query = Query((Term(text="cat"),), confidence=NumberRange(0.9))
    assert len(desk.search.answer(query).hits) == 1
    query = Query((Term(text="cat"),), cosine=NumberRange(None, 0.5))
    assert len(desk.search.answer(query).hits) == 2
    query = Query((Term(text="cat"),), cosine=NumberRange(0.2, 0.5))
    assert desk.search.answer(query).nothing == "none of 3 photos is within raw:"


def test_the_photo_asked_about_comes_first_at_exactly_1(desk: Desk) -> None:
    twin = desk.photo("twin of the sea.jpg", 2, content=50)
    for asked in (desk.house.lies_at("sea.jpg"), twin):
        best, second, *_ = desk.hits(Term(photo=asked))
        assert (best.photo, best.score, best.raw) == (asked, 1.0, 1.0)
        assert {best.photo, second.photo} == {desk.house.lies_at("sea.jpg"), twin}
        assert second.score is not None
        assert second.score <= 1


def test_a_photo_that_is_no_more_is_refused(desk: Desk) -> None:
    with pytest.raises(RequestError, match="no photo 999"):
        desk.hits(Term(photo=999))


@pytest.mark.parametrize("sort", ["score", "date", "-date", "name", "size", "random"])
@pytest.mark.parametrize("has_words", [True, False])
@pytest.mark.parametrize("unique", ["copy", "look"])
def test_pages_are_whole_and_none_comes_twice_while_photos_arrive(
    desk: Desk, sort: Sort, has_words: bool, unique: Unique
) -> None:
    known = {desk.photo(f"{number}.jpg", 3 + number) for number in range(7)}
    known |= {
        photo for word in ("cat", "dog", "sea") if (photo := desk.house.lies_at(f"{word}.jpg"))
    }
    terms = (Term(text="dog"),) if has_words else ()
    query = Query(terms, limit=3, sort=sort, unique=unique)
    seen: list[int] = []
    while True:
        answer = desk.search.answer(query)
        seen += [hit.photo for hit in answer.hits]
        if not answer.following:
            break
        query = replace(query, after=answer.following)
        desk.photo(f"new {len(seen)}.jpg", 10 + len(seen) // 3)
    assert len(seen) == len(set(seen))
    assert known <= set(seen)


def test_the_best_of_those_that_look_alike_stands_for_them(desk: Desk) -> None:
    desk.photo("sea 2.jpg", 2, content=50)
    query = Query((Term(text="sea"),), unique="look")
    best, *others = desk.search.answer(query).hits
    assert best.stands_for == 2
    assert [hit.stands_for for hit in others] == [1, 1]
    assert len(desk.search.answer(replace(query, unique="copy")).hits) == 4
    assert best.members == ()


def test_the_best_tells_whom_it_stands_for_when_that_is_asked(desk: Desk) -> None:
    known = {desk.photo(f"sea {number}.jpg", 2, content=50 + number) for number in range(3)}
    known.add(desk.house.lies_at("sea.jpg") or 0)
    for terms in ((Term(text="sea"),), ()):
        hits = desk.search.answer(Query(terms, unique="look", members=True)).hits
        (best,) = (hit for hit in hits if hit.stands_for > 1)
        assert best.stands_for == 4
        assert {best.photo, *(member.photo for member in best.members)} == known
        assert [member.path for member in best.members if member.photo == best.photo] == []
        assert all(member.members == () for member in best.members)


def test_one_group_stays_one_over_all_pages_though_its_best_is_found_late(desk: Desk) -> None:
    # A page looks at a few photos more than it shows: what is behind them joins the group of the
    # first page only when the second is asked for, and is its best.
    for number in range(60):
        desk.photo(f"same {number:02}.jpg", 4, content=100 + number)
    late = desk.house.lies_at("same 59.jpg")
    with desk.house.catalog.writing():
        sql = "INSERT INTO meta (photo_id, sharpness, read_by) VALUES (?, 9, ?)"
        desk.house.catalog.writer.write(sql, late, META_READER)
    other = desk.photo("other.jpg", 5)
    query = Query((), limit=1, sort="name", unique="look")
    shown: list[tuple[int, int]] = []
    while True:
        answer = desk.search.answer(query)
        shown += [(hit.photo, hit.stands_for) for hit in answer.hits]
        if not answer.following:
            break
        query = replace(query, after=answer.following)
    assert other in [photo for photo, _ in shown]
    assert len(shown) == 5


def test_an_answer_says_of_how_many_photos_a_filter_knows_nothing_yet(desk: Desk) -> None:
    rated = Condition((Within("rating", 3),), label="rating >=3")
    by_size = Condition((Within("width", 1),), label="width >=1")
    note = desk.search.answer(Query((), conditions=(rated, by_size))).note
    assert note.startswith("3 of 3 photos have not been asked")
    assert '"rating >=3"' in note
    assert desk.search.answer(Query((), conditions=(by_size,))).note == ""
    with desk.house.catalog.writing():
        for photo in desk.follower.index.ids().tolist():
            sql = "INSERT INTO meta (photo_id, rating, read_by) VALUES (?, 4, ?)"
            desk.house.catalog.writer.write(sql, photo, META_READER)
    answer = desk.search.answer(Query((), conditions=(rated,)))
    assert (answer.note, len(answer.hits)) == ("", 3)
