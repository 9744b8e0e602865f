"""Files that look like known photos are taken for these, when the user trusts them to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from clipd.errors import RequestError
from clipd.ingest.placing import Placer
from clipd.store.vector_file import PortableFile
from tests.store.stock import a_hash, a_vector
from tests.writepath import WritePath, write_path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        with house.catalog.writing():  # a photo that was taken in, and lies nowhere
            photo = house.catalog.add_photo(a_hash(1), 4, 3, "JPEG", "", 1000)
            house.catalog.put_vector(house.model, photo, a_vector(1))
        yield house


def file_at(house: WritePath, name: str, later_ns: int = 0, larger: int = 0) -> PortableFile:
    stat = os.stat(house.path(name))
    return PortableFile(house.path(name), stat.st_size + larger, stat.st_mtime_ns + later_ns)


def place(house: WritePath, file: PortableFile, wanted: list[int] | None = None) -> int:
    want: Callable[[Sequence[int]], None] = (wanted if wanted is not None else []).extend
    with house.catalog.writing():
        return Placer(house.catalog, house.looker, want).place(a_hash(1), [file])


def test_a_file_that_looks_the_same_is_the_photo_and_is_read_no_more(house: WritePath) -> None:
    house.save("a.jpg", b"anything")
    wanted: list[int] = []

    assert place(house, file_at(house, "a.jpg"), wanted) == 1

    photo = house.lies_at("a.jpg")
    assert photo is not None
    assert house.look("a.jpg") is None
    assert wanted == [photo]  # its headers
    assert list(house.reader.vectors.indexable(house.model, 0, 9).ids) == [photo]
    assert place(house, file_at(house, "a.jpg")) == 0  # it is there already


@pytest.mark.parametrize(
    ("later_ns", "larger", "placed"), [(100, 0, 1), (-100, 0, 1), (1000, 0, 0), (0, 1, 0)]
)
def test_time_and_size_have_to_agree(
    house: WritePath, later_ns: int, larger: int, placed: int
) -> None:
    house.save("a.jpg", b"anything")

    assert place(house, file_at(house, "a.jpg", later_ns, larger)) == placed
    assert (house.look("a.jpg") is None) == bool(placed)


def test_a_known_photo_keeps_its_place(house: WritePath) -> None:
    other = house.photo("a.jpg", content=2)

    assert place(house, file_at(house, "a.jpg")) == 0
    assert house.lies_at("a.jpg") == other


def test_what_is_no_photo_of_ours_is_left_alone(house: WritePath, tmp_path: Path) -> None:
    house.save("text.txt", b"anything")
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"anything")
    stat = outside.stat()

    assert place(house, file_at(house, "text.txt")) == 0
    assert place(house, PortableFile(os.fsencode(outside), stat.st_size, stat.st_mtime_ns)) == 0
    assert place(house, PortableFile(house.path("gone.jpg"), 8, 8)) == 0


def test_a_content_that_was_not_taken_in_is_placed_nowhere(house: WritePath) -> None:
    house.save("a.jpg", b"anything")
    with house.catalog.writing():
        placer = Placer(house.catalog, house.looker, lambda photos: None)
        assert placer.place(a_hash(2), [file_at(house, "a.jpg")]) == 0


def test_nothing_is_placed_before_the_disks_are_known(tmp_path: Path) -> None:
    with write_path(tmp_path) as house:
        house.save("a.jpg", b"anything")
        file = file_at(house, "a.jpg")
        with house.catalog.writing():
            house.catalog.add_photo(a_hash(1), 4, 3, "JPEG", "", 1000)
        house.roots.volumes(house.root).look_again()

        with pytest.raises(RequestError, match=r"still looking at the disk of .*try again"):
            place(house, file)
