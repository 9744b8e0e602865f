"""What the catalog answers about vectors: per model, per photo, a page at a time."""

from __future__ import annotations

import numpy as np

from tests.store.stock import Stock, a_hash, a_model, a_vector


def test_a_vector_is_had_of_the_model_that_made_it_alone(stock: Stock) -> None:
    with stock.catalog.writing():
        photo = stock.put(b"/photos/b", 1)
        other = stock.catalog.model(a_model("two"))

    vectors = stock.reader.vectors

    assert vectors.has(stock.model, a_hash(1))
    assert not vectors.has(other, a_hash(1))
    assert not vectors.has(stock.model, a_hash(2))
    assert vectors.of_photo(stock.model, photo) is not None
    assert vectors.of_photo(other, photo) is None
    assert vectors.indexable_of(stock.model, [photo, 99]).ids.tolist() == [photo]
    assert vectors.indexable_of(other, [photo]).ids.tolist() == []


def test_a_photo_without_a_live_path_keeps_its_vector_but_does_not_belong_in_the_index(
    stock: Stock,
) -> None:
    with stock.catalog.writing():
        kept, gone, last = (stock.put(b"/photos/%d" % number, number) for number in range(3))
        stock.catalog.forget_path(b"/photos/1", 50)

    vectors = stock.reader.vectors

    assert vectors.of_photo(stock.model, gone) is not None
    assert vectors.indexable_of(stock.model, [last, gone, kept]).ids.tolist() == [kept, last]
    assert vectors.indexable_ids(stock.model, 0, 9).tolist() == [kept, last]
    pages = [vectors.indexable(stock.model, after, 1) for after in (0, kept, last)]
    assert [page.ids.tolist() for page in pages] == [[kept], [last], []]
    assert [page.last for page in pages] == [kept, last, 0]


def test_the_queries_asked_last_come_first(stock: Stock) -> None:
    made = {text: a_vector(number) for number, text in enumerate(("old", "older", "new"))}
    with stock.catalog.writing():
        for text, used_at in (("old", 5), ("older", 2), ("new", 9)):
            stock.catalog.put_text_vector(stock.model, text, made[text], used_at)

    dim = stock.spec.dim
    latest = stock.reader.vectors.of_late_texts(stock.model, dim, 2)

    assert np.allclose(latest, [made["new"], made["old"]], atol=1e-6)
    assert stock.reader.vectors.of_late_texts(99, dim, 2).shape == (0, dim)
