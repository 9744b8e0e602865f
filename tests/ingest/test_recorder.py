"""What decoders and the encoder found out, in a real catalog."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipd.errors import EncodeError, EncoderClosedError
from clipd.ingest.inbox import Encoded, NotEncodable, NotEncoded, Ready
from clipd.ingest.recorder import Recorder
from clipd.ingest.settling import ToRead
from clipd.photo import Decoded, Fingerprint, Meta, Refused
from tests.store.stock import DIM, a_hash, a_vector
from tests.writepath import WritePath, write_path


class Desk:
    """A recorder, and what it wants to have looked at again."""

    def __init__(self, house: WritePath) -> None:
        self.house = house
        self.again: dict[bytes, float] = {}
        self.unread: list[int] = []  # photos whose headers are to be read again
        self.found: list[int] = []  # how many were encoded, each time that photos were found
        self.recorder = Recorder(
            house.catalog,
            house.model,
            self.again.__setitem__,
            house.looker.fingerprint,
            lambda kind: "",
            self.unread.extend,
            lambda: self.found.append(self.recorder.encoded),
        )

    def decoded(self, name: str, content: int, pixels: bool = True) -> Decoded:
        seen = Fingerprint.of(os.lstat(self.house.path(name)))
        picture = np.zeros((32, 32, 3), np.uint8) if pixels else None
        return Decoded(a_hash(content), seen, 4, 3, "JPEG", Meta(), picture)

    def ready(self, name: str, content: int) -> Ready:
        self.house.save(name, b"content %d" % content)
        return Ready(self.house.path(name), self.house.root.id, self.decoded(name, content), 0.0)

    def file(self, name: str) -> ToRead:
        return ToRead(self.house.path(name), self.house.root.id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with write_path(tmp_path) as house, house.catalog.writing():
        yield Desk(house)


def _kinds(desk: Desk) -> dict[bytes, str]:
    names = (b"a.jpg", b"b.jpg", b"c.jpg")
    rows = {name: desk.house.catalog.failure(desk.house.path(name)) for name in names}
    return {name: row.kind for name, row in rows.items() if row}


def _photos(desk: Desk) -> dict[bytes, int]:
    rows = [desk.house.catalog.path(path) for path in desk.house.catalog.paths_under(b"/")]
    return {os.path.basename(row.path): row.photo for row in rows if row}


def test_one_content_at_two_paths_of_a_batch_is_one_photo(desk: Desk) -> None:
    batch = (desk.ready("a.jpg", 1), desk.ready("b.jpg", 1), desk.ready("c.jpg", 2))
    desk.recorder.encoded_batch(Encoded(batch, np.stack([a_vector(1), a_vector(1), a_vector(2)])))
    photos = _photos(desk)
    assert photos[b"a.jpg"] == photos[b"b.jpg"] != photos[b"c.jpg"]


def test_photos_count_as_encoded_when_they_are_committed_and_not_before(desk: Desk) -> None:
    batch = (desk.ready("a.jpg", 1),)
    desk.recorder.encoded_batch(Encoded(batch, np.stack([a_vector(1)])))
    desk.recorder.count(0)
    assert desk.recorder.encoded == 0
    assert desk.found == []
    desk.recorder.count(len(batch))
    assert desk.recorder.encoded == 1
    assert desk.found == [1]
    assert desk.recorder.rate() > 0


def test_a_vector_that_is_no_use_costs_its_own_photo_only(desk: Desk) -> None:
    batch = (desk.ready("a.jpg", 1), desk.ready("b.jpg", 2), desk.ready("c.jpg", 3))
    bad = np.full(DIM, np.nan, np.float32)
    desk.recorder.encoded_batch(Encoded(batch, np.stack([a_vector(1), bad, a_vector(3)])))
    assert _kinds(desk) == {b"b.jpg": "encode"}
    assert desk.house.catalog.count_without_vector(desk.house.model) == 0


def test_a_known_content_gets_its_path_without_a_vector_of_its_own(desk: Desk) -> None:
    desk.recorder.encoded_batch(Encoded((desk.ready("a.jpg", 1),), a_vector(1)[np.newaxis]))
    desk.house.save("b.jpg", b"content 1")
    desk.recorder.known(desk.file("b.jpg"), desk.decoded("b.jpg", 1, pixels=False))
    assert len(set(_photos(desk).values())) == 1


def test_a_known_content_that_was_purged_meanwhile_is_read_again(desk: Desk) -> None:
    desk.house.save("a.jpg")
    desk.recorder.known(desk.file("a.jpg"), desk.decoded("a.jpg", 1, pixels=False))
    assert list(desk.again) == [desk.house.path("a.jpg")]


def test_a_bad_file_is_listed_unless_it_has_changed_since(desk: Desk) -> None:
    for name in ("a.jpg", "b.jpg"):
        desk.house.save(name)
        seen = Fingerprint.of(os.lstat(desk.house.path(name)))
        if name == "b.jpg":
            desk.house.save(name, b"other bytes")
        desk.recorder.refused(desk.file(name), Refused("corrupt", "no picture", seen))
    assert _kinds(desk) == {b"a.jpg": "corrupt"}
    assert list(desk.again) == [desk.house.path("b.jpg")]


def test_a_file_that_cannot_be_read_now_is_tried_again_by_every_scan(desk: Desk) -> None:
    desk.house.save("a.jpg")
    seen = Fingerprint.of(os.lstat(desk.house.path("a.jpg")))
    desk.recorder.refused(desk.file("a.jpg"), Refused("unreadable", "the disk failed", seen))
    failure = desk.house.catalog.failure(desk.house.path("a.jpg"))
    assert failure is not None
    assert failure.fingerprint is None


def test_a_failing_encoder_is_left_alone_longer_each_time_until_it_works(desk: Desk) -> None:
    batch = (desk.ready("a.jpg", 1),)
    waits = []
    for _ in range(10):
        desk.recorder.not_encoded(NotEncoded(batch, EncodeError("no memory")))
        waits.append(desk.again[batch[0].path])
    assert waits[:3] == [5, 10, 20]
    assert waits[-1] == 300
    assert desk.recorder.problem == "no memory"
    assert 0 < desk.recorder.encoder_wait() <= 300

    desk.recorder.encoded_batch(Encoded(batch, a_vector(1)[np.newaxis]))
    assert desk.recorder.problem == ""
    assert desk.recorder.encoder_wait() == 0


def test_an_encoder_that_clipd_ends_is_no_problem(desk: Desk) -> None:
    desk.recorder.not_encoded(NotEncoded((desk.ready("a.jpg", 1),), EncoderClosedError()))
    assert desk.recorder.problem == ""


@pytest.mark.parametrize("vanish", ["moved", "replaced"])
def test_a_path_goes_live_only_if_the_file_that_was_read_still_lies_there(
    desk: Desk, vanish: str
) -> None:
    batch = (desk.ready("a.jpg", 1),)
    path = desk.house.path("a.jpg")
    if vanish == "moved":
        os.rename(path, desk.house.photos.parent / "elsewhere.jpg")
    else:
        desk.house.save("b.jpg", b"Content 1")
        os.replace(desk.house.path("b.jpg"), path)

    desk.recorder.encoded_batch(Encoded(batch, a_vector(1)[np.newaxis]))

    assert _photos(desk) == {}
    assert list(desk.again) == [path]


def test_a_picture_that_the_model_makes_no_vector_of_is_listed_with_its_reason(
    desk: Desk,
) -> None:
    desk.recorder.not_encodable(
        NotEncodable((desk.ready("a.jpg", 1),), "encode", "its vector is not finite")
    )
    failure = desk.house.catalog.failure(desk.house.path("a.jpg"))
    assert failure is not None
    assert (failure.kind, failure.reason) == ("encode", "its vector is not finite")
    assert failure.fingerprint == Fingerprint.of(os.lstat(desk.house.path("a.jpg")))
    assert not desk.again


def test_what_may_be_the_machines_fault_is_tried_three_times(desk: Desk) -> None:
    desk.house.save("a.jpg")
    seen = Fingerprint.of(os.lstat(desk.house.path("a.jpg")))
    tries: list[tuple[int, bool]] = []
    for _ in range(4):
        desk.recorder.refused(desk.file("a.jpg"), Refused("timeout", "too slow", seen))
        failure = desk.house.catalog.failure(desk.house.path("a.jpg"))
        assert failure is not None
        tries.append((failure.tries, failure.retry_at is not None))
    assert tries == [(1, True), (2, True), (3, False), (4, False)]


def test_what_is_the_files_fault_is_not_tried_again_by_itself(desk: Desk) -> None:
    desk.house.save("a.jpg")
    seen = Fingerprint.of(os.lstat(desk.house.path("a.jpg")))
    desk.recorder.refused(desk.file("a.jpg"), Refused("corrupt", "no picture", seen))
    failure = desk.house.catalog.failure(desk.house.path("a.jpg"))
    assert failure is not None
    assert failure.retry_at is None


def _said(desk: Desk, photo: int) -> tuple[object, ...]:
    sql = "SELECT camera, taken, taken_from, sharpness FROM meta WHERE photo_id = ?"
    (row,) = desk.house.catalog.writer.fetch(sql, photo)
    return row


def _record(desk: Desk, name: str, content: int, **decoded: object) -> int:
    ready = desk.ready(name, content)
    ready = replace(ready, decoded=replace(ready.decoded, **decoded))  # type: ignore[arg-type]
    desk.recorder.encoded_batch(Encoded((ready,), np.stack([a_vector(content)])))
    photo = desk.house.catalog.photo_of_hash(a_hash(content))
    assert photo is not None
    return photo


def test_what_a_photo_says_of_itself_is_kept_with_it(desk: Desk) -> None:
    meta = Meta("2019-07-12T14:03:22", "exif", camera="Canon EOS 80D", sharpness=7.5)
    photo = _record(desk, "IMG_20010203_040506.jpg", 1, meta=meta)
    assert _said(desk, photo) == ("Canon EOS 80D", "2019-07-12T14:03:22", "exif", 7.5)
    assert not desk.house.catalog.is_unread(photo)
    assert desk.unread == []


def test_a_photo_that_says_no_date_is_dated_by_its_best_path(desk: Desk) -> None:
    photo = _record(desk, "2018-02-03 Party/b.jpg", 1)
    assert _said(desk, photo)[1:3] == ("2018-02-03T00:00:00", "folder")

    desk.house.save("IMG_20190712_140322.jpg")
    copy = desk.file("IMG_20190712_140322.jpg")
    desk.recorder.known(copy, desk.decoded("IMG_20190712_140322.jpg", 1, pixels=False))
    assert _said(desk, photo)[1:3] == ("2019-07-12T14:03:22", "name")


def test_a_file_beside_a_photo_that_changed_while_it_was_encoded_is_read_again(
    desk: Desk,
) -> None:
    old, new = Fingerprint(1, 2, 3, 4, 5), Fingerprint(1, 2, 4, 4, 5)
    desk.house.catalog.put_failure(
        desk.house.root.id, desk.house.path("a.xmp"), new, "sidecar", "of a photo", 5
    )
    photo = _record(desk, "a.jpg", 1, sidecar=old)
    assert desk.unread == [photo]
    desk.unread.clear()
    _record(desk, "a.jpg", 1, sidecar=new)
    assert desk.unread == []


def test_a_photo_of_an_older_clipd_is_asked_when_a_copy_of_it_comes(desk: Desk) -> None:
    photo = desk.house.catalog.add_photo(a_hash(1), 4, 3, "JPEG", "", 5)
    desk.house.save("b.jpg")
    desk.recorder.known(desk.file("b.jpg"), desk.decoded("b.jpg", 1, pixels=False))
    assert desk.unread == [photo]
