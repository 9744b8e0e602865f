"""Vectors from elsewhere wait in the catalog until a file with their content comes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd.errors import StorageFullError, VectorFileError
from clipd.store.vector_file import PortablePhoto
from clipd.store.vector_intake import Imported, insist_on_model, sound_photos, take_in
from clipd.store.vectors import pack
from tests.store.moving import export, read
from tests.store.stock import DIM, Stock, a_hash, a_model, a_print, a_vector


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Stock]:
    """A catalog on another machine."""
    folder = tmp_path / "other"
    folder.mkdir()
    with Stock(folder) as made:
        yield made


@pytest.fixture
def photos(other: Stock, tmp_path: Path) -> list[PortablePhoto]:
    other.fill(20)
    export(other, tmp_path / "photos.npz")
    return read(tmp_path / "photos.npz")


def move(stock: Stock, photos: list[PortablePhoto]) -> Imported:
    with stock.catalog.writing():
        return take_in(stock.catalog, stock.model, photos)


def test_a_file_that_comes_later_has_its_vector_already(
    stock: Stock, photos: list[PortablePhoto]
) -> None:
    assert move(stock, photos) == Imported(taken=20)
    assert stock.reader.vectors.has(stock.model, a_hash(7))
    assert stock.reader.counts(stock.model).photos == 0

    with stock.catalog.writing():
        stock.catalog.put_path(stock.root, b"/photos/x.jpg", a_print(1), stock.put_id(7))

    page = stock.reader.vectors.indexable(stock.model, 0, 10)
    assert np.allclose(page.vectors[0], a_vector(7), atol=1e-3)
    assert stock.reader.counts(stock.model).without_vector == 0
    assert stock.reader.damage().sentences == []


def test_it_goes_on_where_it_was_and_changes_nothing_that_is_known(
    stock: Stock, photos: list[PortablePhoto]
) -> None:
    with stock.catalog.writing():
        known = stock.catalog.add_photo(a_hash(3), 9, 9, "PNG", "", 1)
        stock.catalog.put_vector(stock.model, known, a_vector(999))
    move(stock, photos[:10])

    assert move(stock, photos) == Imported(taken=10, known=10)
    kept = stock.reader.vectors.of_photo(stock.model, known)
    assert kept is not None
    assert np.allclose(kept, a_vector(999), atol=1e-3)


def test_a_photo_that_waits_for_its_vector_gets_it(
    stock: Stock, photos: list[PortablePhoto]
) -> None:
    with stock.catalog.writing():
        stock.put(b"/photos/a.jpg", 5, vector=False)
    assert stock.reader.counts(stock.model).without_vector == 1

    move(stock, photos)

    assert stock.reader.counts(stock.model).without_vector == 0
    assert len(stock.reader.vectors.indexable(stock.model, 0, 10).ids) == 1


def test_what_no_file_asks_for_goes_as_deleted_photos_go(
    stock: Stock, photos: list[PortablePhoto]
) -> None:
    move(stock, photos)
    with stock.catalog.writing():
        stock.catalog.put_path(stock.root, b"/photos/x.jpg", a_print(1), stock.put_id(7))
        assert stock.catalog.purge(before=10**11) == 19

    assert stock.reader.vectors.has(stock.model, a_hash(7))
    assert not stock.reader.vectors.has(stock.model, a_hash(8))


def test_what_went_long_ago_is_expected_anew(stock: Stock, photos: list[PortablePhoto]) -> None:
    with stock.catalog.writing():
        stock.put(b"/photos/x.jpg", 7)
        stock.catalog.forget_path(b"/photos/x.jpg", 1000)
    move(stock, photos)
    with stock.catalog.writing():
        assert stock.catalog.purge(before=2000) == 1  # what is left of its path
        assert stock.catalog.purge(before=2000) == 0

    assert stock.reader.vectors.has(stock.model, a_hash(7))


def test_a_full_disk_is_told_and_what_was_taken_in_stays(
    small_disk: Path, photos: list[PortablePhoto]
) -> None:
    with Stock(small_disk) as stock:
        move(stock, photos[:5])
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(4 << 20))
        many = [replace(photos[0], content_hash=a_hash(n)) for n in range(100, 5000)]

        with pytest.raises(StorageFullError, match="free some space"):
            move(stock, many)

        filler.unlink()
        assert move(stock, photos) == Imported(taken=15, known=5)


def test_how_sharp_a_photo_is_comes_along(stock: Stock, photos: list[PortablePhoto]) -> None:
    move(stock, [replace(photos[0], sharpness=12.5)])
    photo = stock.put_id(0)

    assert stock.catalog.is_unread(photo)
    (sharpness,) = stock.catalog.writer.fetch("SELECT sharpness FROM meta")[0]
    assert sharpness == 12.5


def _bent(number: float) -> bytes:
    vector = np.array(a_vector(1))
    vector[0] = number
    return vector.astype("<f2").tobytes()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"vector": bytes(2 * DIM)}, "zero or not finite"),
        ({"vector": _bent(math.nan)}, "zero or not finite"),
        ({"vector": _bent(math.inf)}, "zero or not finite"),
        ({"vector": _bent(5)}, "length is not 1"),
        ({"vector": pack(a_vector(1, 8))}, "a vector of 8 numbers, where the model's have 16"),
        ({"content_hash": b"short"}, "a hash that is none"),
        ({"width": 0}, "a picture of 0 x 3 pixels"),
        ({"format": ""}, "a format or a date"),
        ({"format": "JPEG\n"}, "a format or a date"),
        ({"taken_at": "yesterday"}, "a format or a date"),
        ({"sharpness": math.inf}, "a sharpness"),
    ],
)
def test_what_is_not_sound_is_refused_by_its_path(
    photos: list[PortablePhoto], fields: dict[str, object], words: str
) -> None:
    bad = replace(photos[1], **fields)  # type: ignore[arg-type]

    sound, refused = sound_photos([photos[0], bad, photos[2]], DIM)

    assert sound == [photos[0], photos[2]]
    (reason,) = refused.reasons
    assert refused == Imported(refused=1, reasons=(reason,))
    assert reason.startswith("/photos/000001.jpg: ")
    assert words in reason


def test_vectors_of_another_model_are_refused_by_name() -> None:
    here = a_model("one")
    insist_on_model("other name", "one", here)
    with pytest.raises(VectorFileError, match=r"model two, and one is in use here.*model use two"):
        insist_on_model("two", "two", here)
    with pytest.raises(VectorFileError, match=r"other weights of one \(abc\) than .* \(one\)"):
        insist_on_model("one", "abc", here)
