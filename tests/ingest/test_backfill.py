"""Photos without a vector of the model in use: found once, and found again when there are more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.ingest.backfill import Backfill, Retries
from clipd.photo import FailureKind
from tests.store.stock import a_vector
from tests.writepath import WritePath, write_path


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


def _pass(backfill: Backfill) -> set[bytes]:
    found = set()
    while not backfill.is_done:
        file = backfill.take()
        if file is not None:
            found.add(os.path.basename(file.path))
    backfill.look_again()
    return found


def _photos(house: WritePath, count: int, vector: bool) -> list[int]:
    return [house.photo(f"{number}.jpg", number, vector) for number in range(count)]


def test_a_pass_hands_out_every_photo_without_a_vector_once(house: WritePath) -> None:
    _photos(house, 3, vector=False)
    house.photo("done.jpg", 7)
    backfill = Backfill(house.catalog, house.model, house.roots)
    assert _pass(backfill) == {b"0.jpg", b"1.jpg", b"2.jpg"}
    assert backfill.take() is None
    backfill.look_again()
    assert backfill.is_done


def test_photos_of_a_root_that_is_away_are_handed_out_when_it_is_back(house: WritePath) -> None:
    _photos(house, 2, vector=False)
    backfill = Backfill(house.catalog, house.model, house.roots)
    away = house.photos.with_name("away")
    house.photos.rename(away)
    house.see_roots()
    assert _pass(backfill) == set()

    away.rename(house.photos)
    house.see_roots()
    backfill.restart()
    assert _pass(backfill) == {b"0.jpg", b"1.jpg"}


def test_a_library_that_is_away_is_looked_through_page_by_page(
    house: WritePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.ingest.backfill._PAGE", 10)
    _photos(house, 25, vector=False)
    house.photos.rename(house.photos.with_name("away"))
    house.see_roots()
    backfill = Backfill(house.catalog, house.model, house.roots)

    looks = 0
    while not backfill.is_done:
        assert backfill.take() is None
        looks += 1

    assert looks == 4  # three pages, and one that is empty


def test_a_photo_that_comes_back_after_a_change_of_model_is_handed_out(house: WritePath) -> None:
    house.photo("trip/a.jpg", 1, vector=False)
    os.rename(house.path("trip"), house.path(".trip"))
    house.look("trip/a.jpg")
    backfill = Backfill(house.catalog, house.model, house.roots)
    assert _pass(backfill) == set()

    os.rename(house.path(".trip"), house.path("Rome"))
    assert house.look("Rome/a.jpg") is None
    backfill.look_again()
    assert _pass(backfill) == {b"a.jpg"}


def test_a_repair_has_the_photos_it_took_vectors_from_handed_out(house: WritePath) -> None:
    photos = _photos(house, 2, vector=True)
    backfill = Backfill(house.catalog, house.model, house.roots)
    assert _pass(backfill) == set()
    with house.catalog.writing():
        house.catalog.writer.write(
            "UPDATE vectors SET vector = zeroblob(3) WHERE photo_id = ?", photos[1]
        )
    with house.catalog.writing():
        house.catalog.repair(house.reader.damage())

    backfill.look_again()
    assert _pass(backfill) == {b"1.jpg"}
    with house.catalog.writing():
        house.catalog.put_vector(house.model, photos[1], a_vector(1))
    backfill.look_again()
    assert backfill.is_done


def test_a_photo_that_nothing_can_be_done_about_is_not_handed_out_for_ever(
    house: WritePath,
) -> None:
    _photos(house, 1, vector=False)
    backfill = Backfill(house.catalog, house.model, house.roots)
    assert _pass(backfill) == {b"0.jpg"}
    for _ in range(5):
        backfill.look_again()
        assert backfill.is_done


def test_a_photo_with_a_path_in_reach_is_read_there(tmp_path: Path) -> None:
    with write_path(tmp_path / "one") as house:
        gone = house.photos.with_name("drive")
        with house.catalog.writing():
            other = house.catalog.root(os.fsencode(gone))
        photo = house.photo("a.jpg", 1, vector=False)
        seen = house.catalog.path(house.path("a.jpg"))
        assert seen is not None
        with house.catalog.writing():  # the path that is away is the older one
            house.catalog.put_path(other, os.fsencode(gone / "b.jpg"), seen.fingerprint, photo)
            house.catalog.writer.write(
                "UPDATE paths SET id = id + 10 WHERE root_id = ?", house.root.id
            )
        backfill = Backfill(house.catalog, house.model, house.roots)
        assert _pass(backfill) == {b"a.jpg"}


def _refuse(house: WritePath, name: str, kind: FailureKind, world: str, due: int | None) -> None:
    with house.catalog.writing():
        house.catalog.put_failure(
            house.root.id, house.save(name), None, kind, "no", 1, world=world, retry_at=due
        )


def test_a_refusal_that_is_due_is_handed_out_and_one_that_is_not_stays(house: WritePath) -> None:
    for name, due in (("now.jpg", 5), ("later.jpg", 10**11), ("never.jpg", None)):
        _refuse(house, name, "timeout", "", due)

    retries = Retries(house.catalog, lambda kind: "")
    assert retries.take() == [house.path("now.jpg")]
    assert retries.take() == []  # not before half a minute has gone by


def test_refusals_of_another_world_are_due_and_only_those(house: WritePath) -> None:
    _refuse(house, "old.jpg", "too-large", "max_pixels=1", None)
    _refuse(house, "new.jpg", "too-large", "max_pixels=2", None)
    _refuse(house, "empty.jpg", "empty", "", None)
    world = {"too-large": "max_pixels=2"}

    assert Retries(house.catalog, lambda kind: world.get(kind, "")).take() == [
        house.path("old.jpg")
    ]


def test_the_user_can_have_a_file_or_a_folder_tried_again(house: WritePath) -> None:
    names = ("trip/a.jpg", "trip/day/b.jpg", "trips.jpg")
    for name in names:
        _refuse(house, name, "crash", "", None)
    retries = Retries(house.catalog, lambda kind: "")

    assert retries.take() == []
    retries.have_under(house.path("trip"))
    assert sorted(retries.take()) == [house.path(name) for name in names[:2]]
    retries.have_under(house.path("trips.jpg"))
    assert house.path("trips.jpg") in retries.take()
