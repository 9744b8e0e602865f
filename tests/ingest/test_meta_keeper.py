"""What is kept of a photo: what it says, and what follows from that and from where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.ingest.meta_keeper import MetaKeeper
from clipd.photo import Meta
from clipd.store.photo_record import PhotoRecord
from tests.writepath import WritePath, write_path


class Kept:
    """One photo, and what is kept of it."""

    def __init__(self, house: WritePath) -> None:
        self.house = house
        self.photo = house.photo("IMG_20190712_140322.jpg")
        self.keeper = MetaKeeper(house.catalog)

    def put(self, meta: Meta) -> PhotoRecord:
        with self.house.catalog.writing():
            self.keeper.put(self.photo, meta)
        return self.record()

    def give_up(self) -> PhotoRecord:
        with self.house.catalog.writing():
            self.keeper.give_up(self.photo)
        return self.record()

    def record(self) -> PhotoRecord:
        record = self.house.reader.records.record(self.photo)
        assert record is not None
        return record


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with write_path(tmp_path) as house:
        yield Kept(house)


def test_a_position_becomes_a_place(kept: Kept) -> None:
    record = kept.put(Meta(lat=43.77, lon=11.25))
    assert (record.country, record.region, record.city) == ("IT", "", "Florence")
    record = kept.put(Meta())  # without one there is no place any more
    assert (record.country, record.city, record.meta.lat) == ("", "", None)


def test_a_date_that_the_photo_says_goes_before_that_of_its_name(kept: Kept) -> None:
    record = kept.put(Meta(taken="2001-01-01T00:00:00", taken_from="exif"))
    assert (record.meta.taken, record.meta.taken_from) == ("2001-01-01T00:00:00", "exif")
    record = kept.put(Meta())
    assert (record.meta.taken, record.meta.taken_from) == ("2019-07-12T14:03:22", "name")


def test_tags_are_those_that_were_said_last(kept: Kept) -> None:
    assert kept.put(Meta(tags=("sea", "beach"))).meta.tags == ("beach", "sea")
    assert kept.put(Meta(tags=("sea", "lake"))).meta.tags == ("lake", "sea")
    assert kept.put(Meta()).meta.tags == ()


def test_a_photo_that_kills_decoders_is_asked_once_and_keeps_what_it_said(kept: Kept) -> None:
    record = kept.give_up()
    assert (record.is_read, record.meta.taken) == (True, "2019-07-12T14:03:22")

    kept.put(Meta(camera="Canon EOS 80D", sharpness=7.5))
    with kept.house.catalog.writing():
        kept.house.catalog.have_read_again(kept.photo)
    assert not kept.record().is_read
    record = kept.give_up()
    assert (record.is_read, record.meta.camera, record.meta.sharpness) == (
        *(True, "Canon EOS 80D", 7.5),
    )
