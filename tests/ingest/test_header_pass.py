"""The pass over the headers of photos that clipd knows, with real decoders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from clipd.ingest.header_pass import HeaderPass
from tests.decode.conftest import encoded, two_colours
from tests.decode.test_metadata import written
from tests.decode.test_xmp import bag, packet
from tests.ingest.test_indexer import Running
from tests.writepath import WritePath, write_path

PLAIN = encoded(two_colours(), "JPEG")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


@pytest.fixture
def running(house: WritePath) -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(house, stack)


def known(house: WritePath, count: int, content: bytes | None = None) -> list[int]:
    """Save pictures, and record them as clipd 0.1 did: without a word of what they say."""
    photos = []
    for number in range(count):
        house.save(f"{number}.jpg", content or written("JPEG") + b"%d" % number)
        photos.append(house.record(f"{number}.jpg", number))
    return photos


def said(house: WritePath, columns: str = "photo_id, camera") -> list[tuple[object, ...]]:
    sql = f"SELECT {columns} FROM meta ORDER BY photo_id"
    return house.reader.connections.fetch(sql)


def tags(house: WritePath) -> set[str]:
    return {tag for (tag,) in house.reader.connections.fetch("SELECT tag FROM tags")}


def has_tags(house: WritePath, words: tuple[str, ...]) -> Callable[[], bool]:
    return lambda: tags(house) == set(words)


def test_what_old_photos_say_is_read_without_decoding_them(house: WritePath) -> None:
    photos = known(house, 10)
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: len(said(house)) == 10)
        assert running.indexer.progress().decoded == 0
        running.wait_until(lambda: running.indexer.progress().headers is None)
    assert said(house) == [(photo, "Canon EOS 80D") for photo in photos]
    assert said(house, "taken, taken_from, utc_offset_min, rating")[0] == (
        *("2019-07-12T14:03:22", "exif", 120, 4),
    )
    assert tags(house) == {"sea", "Straße"}


def test_how_far_the_pass_is_can_be_told_while_it_lasts(house: WritePath) -> None:
    known(house, 200)
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: running.indexer.progress().headers is not None)
        first = running.indexer.progress().headers
        assert first is None or (0 < first.read < first.total == 200)
        running.wait_until(lambda: len(said(house)) == 200)
        assert running.indexer.progress().headers is None


def test_a_pass_that_was_cut_short_goes_on_with_the_rest(house: WritePath) -> None:
    photos = known(house, 6)
    with house.catalog.writing():
        for photo in photos[:3]:
            sql = "INSERT INTO meta (photo_id, camera, read_by) VALUES (?, 'before', 1)"
            house.catalog.writer.write(sql, photo)
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: len(said(house)) == 6)
    assert [camera for _, camera in said(house)] == ["before"] * 3 + ["Canon EOS 80D"] * 3


def test_what_an_older_clipd_read_is_read_again(house: WritePath) -> None:
    (photo,) = known(house, 1)
    with house.catalog.writing():
        sql = "INSERT INTO meta (photo_id, camera, sharpness, read_by) VALUES (?, 'old', 7.5, 0)"
        house.catalog.writer.write(sql, photo)
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: said(house) == [(photo, "Canon EOS 80D")])
    assert said(house, "sharpness") == [(7.5,)]  # which takes the pixels


def test_photos_without_a_date_are_dated_by_where_they_lie(house: WritePath) -> None:
    house.save("IMG_20190712_140322.jpg", PLAIN)
    house.record("IMG_20190712_140322.jpg", 1)
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: len(said(house)) == 1)
    assert said(house, "taken, taken_from") == [("2019-07-12T14:03:22", "name")]


def test_a_photo_whose_file_is_away_is_asked_when_its_root_is_back(house: WritePath) -> None:
    (photo,) = known(house, 1)
    os.rename(house.photos, house.state / "away")
    house.see_roots()
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: not running.headers.can_send)
        assert said(house) == []
        os.rename(house.state / "away", house.photos)
        running.write(house.see_roots)
        running.write(running.intake.restart)
        running.wait_until(lambda: said(house) == [(photo, "Canon EOS 80D")])


def test_a_library_that_is_away_is_looked_through_slice_by_slice(
    house: WritePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.ingest.header_pass._SLICE", 10)
    known(house, 25)
    os.rename(house.photos, house.state / "away")
    house.see_roots()
    pool: Any = None  # no file can be read, so that nobody is asked to
    posted: list[object] = []
    headers = HeaderPass(house.catalog, house.roots, pool, posted.append, house.backlog.put_back)

    looks = 0
    while headers.can_send:
        headers.send()
        looks += 1

    assert looks == 3


def test_a_file_that_is_another_by_now_says_nothing_of_the_photo_that_it_was(
    house: WritePath,
) -> None:
    known(house, 1)
    house.save("0.jpg", PLAIN + b"another")
    with ExitStack() as stack:
        running = Running(house, stack)
        running.wait_until(lambda: not running.headers.can_send)
        running.wait_until(lambda: running.indexer.progress().waiting > 0 or bool(said(house)))
    assert said(house) == []


def test_a_file_beside_a_photo_is_heard_when_it_comes_changes_and_goes(
    house: WritePath, running: Running
) -> None:
    house.save("a.jpg", PLAIN)
    running.write(lambda: house.record("a.jpg", 1))
    running.write(running.intake.restart)
    running.wait_until(lambda: len(said(house)) == 1)

    for words in (("mountain",), ("river", "lake")):
        house.save("a.jpg.xmp", packet(bag("dc:subject", *words)))
        house.backlog.hint(house.path("a.jpg.xmp"))
        running.wait_until(has_tags(house, words))
    os.unlink(house.path("a.jpg.xmp"))
    house.backlog.hint(house.path("a.jpg.xmp"))
    running.wait_until(lambda: tags(house) == set())
    counts = house.reader.counts(house.model)
    assert (counts.errors, counts.skipped) == (0, 0)
    assert house.reader.failures(b"", 10, skipped=True) == []
    assert running.indexer.progress().decoded == 0


def test_a_file_beside_a_photo_is_heard_of_by_a_scan_and_then_no_more(
    house: WritePath, running: Running
) -> None:
    house.save("a.jpg", PLAIN)
    running.write(lambda: house.record("a.jpg", 1))
    house.save("a.xmp", packet(bag("dc:subject", "mountain")))
    house.backlog.folder(house.root.path, deep=True)
    running.wait_until(lambda: tags(house) == {"mountain"})
    assert house.differing() == []
    house.save("a.xmp", packet(bag("dc:subject", "lakes")))
    assert house.differing() == [house.path("a.xmp")]
