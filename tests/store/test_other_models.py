"""Models that are not in use leave the catalog whole, a slice at a time."""

from __future__ import annotations

import pytest

from clipd.errors import RequestError
from clipd.store.other_models import Forgotten, forgetting, models_to_forget
from tests.store.stock import Stock, a_model, a_vector

IN_USE = "one"  # the name, and the fingerprint


def put_vectors(stock: Stock, fingerprint: str, photos: list[int]) -> int:
    with stock.catalog.writing():
        model = stock.catalog.model(a_model(fingerprint))
        for photo in photos:
            stock.catalog.put_vector(model, photo, a_vector(photo))
        stock.catalog.put_text_vector(model, "sunset", a_vector(1), 1000)
    return model


def forget(stock: Stock, name: str | None) -> list[Forgotten]:
    models = models_to_forget(stock.catalog, name, (IN_USE,))
    return [step for step in forgetting(stock.catalog, models) if step is not None]


def test_all_that_is_kept_of_other_models_goes_and_nothing_else(stock: Stock) -> None:
    photos = stock.fill(5000)  # more than one slice
    old = put_vectors(stock, "old", photos)
    older = put_vectors(stock, "older", photos[::2])
    follower = stock.follower()
    follower.start()

    assert forget(stock, None) == [Forgotten("old", 5000), Forgotten("older", 2500)]

    for model in (old, older):
        assert stock.reader.vectors.of_photo(model, photos[0]) is None
        assert stock.reader.vectors.of_text(model, "sunset") is None
        assert stock.reader.counts(model).without_vector == 5000
    assert [model.name for model in stock.catalog.models()] == [IN_USE]
    assert stock.reader.counts(stock.model).without_vector == 0
    assert stock.reader.damage().sentences == []
    follower.catch_up()
    assert follower.differences() == ([], [])
    assert len(follower.index) == 5000


def test_a_model_is_forgotten_by_its_name_alone(stock: Stock) -> None:
    photos = stock.fill(3)
    put_vectors(stock, "old", photos)
    older = put_vectors(stock, "older", photos)

    assert forget(stock, "old") == [Forgotten("old", 3)]

    assert stock.reader.vectors.of_photo(older, photos[0]) is not None


def test_a_forgotten_model_can_come_back(stock: Stock) -> None:
    photos = stock.fill(2)
    before = put_vectors(stock, "old", photos)
    forget(stock, "old")

    after = put_vectors(stock, "old", photos[:1])

    assert after != before
    assert stock.reader.counts(after).without_vector == 1


def test_a_stop_in_the_middle_leaves_a_whole_catalog_and_is_gone_on_with(stock: Stock) -> None:
    photos = stock.fill(5000)
    put_vectors(stock, "old", photos)
    steps = forgetting(stock.catalog, models_to_forget(stock.catalog, "old", IN_USE))
    next(steps)
    steps.close()

    assert stock.reader.damage().sentences == []
    (old,) = models_to_forget(stock.catalog, "old", IN_USE)
    assert 0 < old.photos < 5000
    assert forget(stock, "old") == [Forgotten("old", old.photos)]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (IN_USE, "model_in_use", "choose another first"),
        ("odl", "no_such_model", "did you mean old?"),
        ("something else", "no_such_model", "there are vectors of: old"),
    ],
)
def test_what_cannot_be_forgotten_is_refused_in_a_sentence(
    stock: Stock, name: str, code: str, words: str
) -> None:
    put_vectors(stock, "old", stock.fill(1))

    with pytest.raises(RequestError, match=words) as caught:
        forget(stock, name)

    assert caught.value.code == code


def purged(stock: Stock, before: int) -> int:
    """Drop what former models have left; return in how many slices."""
    slices = 0
    with stock.catalog.writing():
        while stock.catalog.purge_models(before, limit=2):
            slices += 1
    return slices


def test_what_a_former_model_left_goes_after_a_time(stock: Stock) -> None:
    photos = stock.fill(5)
    old = put_vectors(stock, "old", photos)
    with stock.catalog.writing():
        stock.catalog.use_model(a_model("old"), now=100)
        stock.catalog.use_model(stock.spec, now=200)
        stock.catalog.use_model(stock.spec, now=300)  # of every start
    follower = stock.follower()
    follower.start()

    assert purged(stock, before=200) == 0
    assert stock.reader.vectors.of_photo(old, photos[0]) is not None
    assert purged(stock, before=201) == 4  # the last one finds nothing

    assert [model.name for model in stock.catalog.models()] == [IN_USE]
    assert stock.reader.damage().sentences == []
    assert follower.catch_up() == 0  # the index has nothing to do with it
    assert follower.differences() == ([], [])


def test_a_model_that_came_back_is_not_purged(stock: Stock) -> None:
    photos = stock.fill(2)
    put_vectors(stock, "old", photos)
    with stock.catalog.writing():
        stock.catalog.use_model(stock.spec, now=100)
        stock.catalog.use_model(a_model("old"), now=200)

    assert purged(stock, before=150) == 0
    assert purged(stock, before=300) == 2  # of the one that was in use before
    assert [model.name for model in stock.catalog.models()] == ["old"]


def test_the_snapshots_of_a_forgotten_model_go_too(stock: Stock) -> None:
    photos = stock.fill(3)
    put_vectors(stock, "old", photos)
    for spec in (a_model("old"), stock.spec):
        follower = stock.follower(spec=spec)
        follower.start()
        follower.save()
    assert len(list((stock.folder / "index").iterdir())) == 4

    forget(stock, "old")
    stock.fill(4)
    follower.catch_up()
    follower.save()

    assert len(list((stock.folder / "index").iterdir())) == 4  # two of the model in use


def test_vectors_of_queries_go_after_a_time(stock: Stock) -> None:
    with stock.catalog.writing():
        stock.catalog.put_text_vector(stock.model, "old", a_vector(1), now=100)
        stock.catalog.put_text_vector(stock.model, "new", a_vector(1), now=200)
        stock.catalog.purge(before=150)

    assert stock.reader.vectors.of_text(stock.model, "old") is None
    assert stock.reader.vectors.of_text(stock.model, "new") is not None


def test_vectors_of_the_next_model_are_in_no_index_and_in_its_own_at_once(stock: Stock) -> None:
    photos = stock.fill(50)
    with stock.catalog.writing():
        stock.catalog.use_model(stock.spec, now=100, meant="mine")
    follower = stock.follower()
    follower.start()
    with stock.catalog.writing():
        following = stock.catalog.prepare_model(a_model("next"), now=200)
        for photo in photos:
            stock.catalog.put_vector(following, photo, a_vector(photo))
            stock.catalog.put_vector(following, photo, a_vector(photo + 1))  # made once more
    assert follower.catch_up() == 0

    used = stock.catalog.model_in_use()
    assert used is not None
    assert (used.id, used.meant) == (stock.model, "mine")
    with stock.catalog.writing():
        stock.catalog.have_followed(photos[:3])
        assert stock.catalog.use_model(a_model("next"), now=300) == following
    assert follower.catch_up() == 3
    other = stock.follower(spec=a_model("next"))
    other.start()
    assert other.differences() == ([], [])
    assert len(other.index) == 50


def test_the_next_model_is_kept_however_long_it_takes(stock: Stock) -> None:
    photos = stock.fill(2)
    with stock.catalog.writing():
        stock.catalog.use_model(stock.spec, now=100)
        following = stock.catalog.prepare_model(a_model("next"), now=100)
        stock.catalog.put_vector(following, photos[0], a_vector(1))
        assert not stock.catalog.purge_models(200, spared=following)
        stock.catalog.prepare_model(a_model("next"), now=300)
        assert not stock.catalog.purge_models(300)  # given up: kept for as long as any former one
        assert stock.catalog.purge_models(301)


def test_the_first_model_of_all_is_in_use_at_once(stock: Stock) -> None:
    with stock.catalog.writing():
        stock.catalog.forget_model(stock.model)
        model = stock.catalog.prepare_model(a_model("next"), now=100)
    used = stock.catalog.model_in_use()
    assert used is not None
    assert used.id == model
