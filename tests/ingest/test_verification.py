"""Checks of disk, catalog and index, beside an indexer that is at work."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipd.errors import CatalogCorruptError, CheckStoppedError, RequestError, StoppingError
from clipd.ingest.indexer import Store
from clipd.ingest.indexer_line import IndexerLine
from clipd.ingest.verifier import Verifier
from clipd.store.verify import CheckScope, Verdict
from clipd.watch.statx import stat_with_birth
from tests.hanging_disk import hanging_disk
from tests.ingest.test_indexer import Running
from tests.store.stock import a_vector, spoil_an_index
from tests.writepath import WritePath, write_path

PATIENCE_SECONDS = 60.0
DISK = CheckScope(disk=True)
DEEP = CheckScope(deep=True)


class Checked(Running):
    """An indexer at work, and what checks it; pictures are recorded with the vectors of tests."""

    def __init__(self, house: WritePath, running: ExitStack) -> None:
        super().__init__(house, running)
        self.verifier = Verifier(
            Store(house.catalog, self.follower),
            house.library,
            IndexerLine(self.inbox, house.backlog, self.indexer.progress, lambda: self.pause.is_on),
        )
        running.callback(self.verifier.close)

    def check(self, scope: CheckScope) -> Verdict:
        return self.verifier.start(scope).verdict.result(PATIENCE_SECONDS)

    def kinds(self, scope: CheckScope) -> dict[str, tuple[int, set[str]]]:
        """Return what is found, by kind: how many, and the names of those that are shown."""
        return {
            one.kind: (one.count, {os.path.basename(path).decode() for path in one.paths})
            for one in self.check(scope).differences
        }

    def save_photos(self, count: int) -> None:
        """Save pictures and record each as it would be when it had been read."""
        for number in range(count):
            self.save(f"{number}.jpg", number)

    def save(self, name: str, seed: int) -> Path:
        """Save a picture and record it, with a vector that the encoder need not make."""
        path = self.house.photos / name
        draw(path, seed)
        self.write(lambda: self._record(path, seed))
        return path

    def _record(self, path: Path, seed: int) -> None:
        house, name = self.house, os.fsencode(path)
        digest = hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        with house.catalog.writing():
            photo = house.catalog.add_photo(digest, 32, 32, "PNG", "", 1000)
            house.catalog.put_path(house.root.id, name, stat_with_birth(name).fingerprint, photo)
            house.catalog.put_vector(house.model, photo, a_vector(seed))
        self.follower.catch_up()


def draw(path: Path, seed: int) -> None:
    """Save a picture of a size that is the same for all."""
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(path.with_suffix(".bmp"))
    path.with_suffix(".bmp").replace(path)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WritePath]:
    with write_path(tmp_path) as house:
        yield house


@pytest.fixture
def checked(house: WritePath) -> Iterator[Checked]:
    with ExitStack() as running:
        yield Checked(house, running)


def test_what_agrees_is_said_to_agree(checked: Checked) -> None:
    checked.save_photos(5)
    verdict = checked.check(DEEP)
    assert (verdict.ok, verdict.photos, verdict.files, verdict.notes) == (True, 5, 5, ())
    assert verdict.bytes_read == sum(f.stat().st_size for f in checked.house.photos.iterdir())


def test_without_the_disk_nothing_is_said_of_it(checked: Checked) -> None:
    checked.save_photos(1)
    (checked.house.photos / "0.jpg").unlink()
    assert checked.check(CheckScope()).ok


@pytest.mark.slow
def test_what_differs_on_the_disk_is_found_and_named(checked: Checked) -> None:
    checked.save_photos(6)
    photos = checked.house.photos
    (photos / "1.jpg").unlink()
    draw(photos / "new.jpg", 50)
    (photos / "2.jpg").write_bytes(b"other")
    checked.save(".hidden.jpg", 51)

    assert checked.kinds(DISK) == {
        "gone": (1, {"1.jpg"}),
        "unknown": (1, {"new.jpg"}),
        "changed": (1, {"2.jpg"}),
        "ignored": (1, {".hidden.jpg"}),
    }


def test_a_file_of_which_only_the_rights_changed_is_no_difference(checked: Checked) -> None:
    """Nobody watches here, as nobody is told at a path that another hard link has come or gone."""
    checked.save_photos(3)
    photos = checked.house.photos
    os.link(photos / "0.jpg", checked.house.state / "elsewhere.jpg")
    (photos / "1.jpg").chmod(0o600)
    refused = photos / "refused.jpg"
    refused.write_bytes(b"no picture")
    checked.house.backlog.hint(bytes(refused), closed=True)
    checked.wait_until(lambda: checked.house.reader.known_at(bytes(refused)) is not None)
    refused.chmod(0o600)
    other = photos / "2.jpg"
    before = other.stat()
    draw(other, 50)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert checked.kinds(DISK) == {"changed": (1, {"2.jpg"})}
    checked.wait_until(lambda: checked.house.differing() == [bytes(other)])


@pytest.mark.slow
def test_a_folder_that_is_gone_is_told_photo_by_photo(checked: Checked) -> None:
    (checked.house.photos / "trip").mkdir()
    checked.save("trip/1.jpg", 1)
    checked.save("trip/2.jpg", 2)
    (checked.house.photos / "trip").rename(checked.house.state / "trip")
    assert checked.kinds(DISK) == {"gone": (2, {"1.jpg", "2.jpg"})}


def test_other_bytes_under_the_same_looks_are_found_by_reading_only(checked: Checked) -> None:
    checked.save_photos(3)
    path = checked.house.photos / "1.jpg"
    replaced_silently(checked, path)

    assert checked.check(DISK).ok
    assert checked.kinds(DEEP) == {"content": (1, {"1.jpg"})}


@pytest.mark.slow
def test_the_disk_is_mended_through_the_indexer(checked: Checked) -> None:
    """Files that need the encoder are left out: the tests of the daemon mend those."""
    checked.save_photos(4)
    photos = checked.house.photos
    (photos / "1.jpg").unlink()
    checked.save(".hidden.jpg", 51)
    (photos / "2.jpg").rename(photos / "moved.jpg")
    (photos / "empty.jpg").write_bytes(b"")

    verdict = checked.check(CheckScope(disk=True, repair=True))
    assert verdict.differences == ()
    assert {one.kind: one.count for one in verdict.mended} == {
        "gone": 2,
        "unknown": 2,
        "ignored": 1,
    }
    assert checked.house.known() == {b"0.jpg", b"3.jpg", b"moved.jpg", b"empty.jpg"}
    assert checked.check(DISK).ok


def test_a_root_that_is_away_is_passed_over_and_named(checked: Checked) -> None:
    checked.save_photos(2)
    house = checked.house
    house.photos.rename(house.state / "away")
    house.roots.check(house.root)
    assert house.roots.state(house.root.id).state == "offline"
    verdict = checked.check(CheckScope(disk=True, deep=True, repair=True))
    assert verdict.ok
    assert [(one.path, one.reason) for one in verdict.passed_over] == [
        (house.root.path, "the folder is missing")
    ]
    assert house.known() == {b"0.jpg", b"1.jpg"}


@pytest.mark.slow
def test_a_root_whose_disk_does_not_answer_is_passed_over_and_named(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.watch.disk_thread.STALL_SECONDS", 0.3)
    checked.save_photos(2)
    house = checked.house
    with hanging_disk(house.photos) as disk:
        verdict = checked.check(CheckScope(disk=True, deep=True, repair=True))
        disk.leave()
    assert verdict.ok
    assert [one.path for one in verdict.passed_over] == [house.root.path]
    assert "did not answer" in verdict.passed_over[0].reason
    assert house.known() == {b"0.jpg", b"1.jpg"}


@pytest.mark.slow
def test_a_change_that_is_on_its_way_is_no_difference(checked: Checked) -> None:
    checked.save_photos(3)
    photos = checked.house.photos
    checked.pause.pause()
    (photos / "1.jpg").unlink()
    checked.house.backlog.hint(os.fsencode(photos / "1.jpg"))
    verdict = checked.check(DISK)
    assert not verdict.ok
    assert "1 changes wait to be indexed" in verdict.notes[0]

    checked.pause.resume()
    checked.inbox.post(None)
    assert checked.check(DISK).ok


@pytest.mark.slow
def test_a_change_that_comes_while_it_looks_is_no_difference(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.ingest.disk_check._NOTICE_SECONDS", 0.0)
    monkeypatch.setattr("clipd.ingest.disk_check.LOOK_SECONDS", 2.0)
    checked.save_photos(1)
    photo = checked.house.photos / "0.jpg"
    photo.unlink()
    check = checked.verifier.start(DISK)
    checked.wait_until(lambda: check.progress().stage == "what differs")
    checked.house.backlog.hint(os.fsencode(photo))  # the event was under way
    assert check.verdict.result(PATIENCE_SECONDS).ok


@pytest.mark.slow
def test_a_check_of_a_library_that_changes_all_the_time_finds_nothing(checked: Checked) -> None:
    checked.save_photos(30)
    done = threading.Event()
    changes = threading.Thread(target=keep_changing, args=(checked, done))
    changes.start()
    try:
        for _ in range(5):
            verdict = checked.check(DISK)
            assert verdict.ok, verdict
    finally:
        done.set()
        changes.join()


@pytest.mark.slow
def test_too_many_differences_are_looked_at_as_a_whole(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipd.ingest.disk_check._MOST_SUSPECTS", 3)
    checked.save_photos(8)
    for photo in checked.house.photos.iterdir():
        photo.unlink()
    (checked.house.photos / "empty.jpg").write_bytes(b"")
    verdict = checked.check(DISK)
    assert verdict.differences[0].count == 3
    assert "not all of" in verdict.notes[0]

    checked.check(CheckScope(disk=True, repair=True))
    checked.wait_until(lambda: checked.house.known() == {b"empty.jpg"})


def test_an_index_that_lacks_and_holds_too_much_is_mended_while_others_work(
    checked: Checked,
) -> None:
    checked.save_photos(5)
    index = checked.follower.index
    lost = checked.house.reader.photo_at(checked.house.path("3.jpg"))
    assert lost is not None
    index.replace(np.array([lost]), np.array([900]), a_vector(9)[np.newaxis])
    assert checked.kinds(CheckScope()) == {
        "index-lacks": (1, {"3.jpg"}),
        "index-holds": (1, set()),
    }
    verdict = checked.check(CheckScope(repair=True))
    assert verdict.ok
    assert {one.kind for one in verdict.mended} == {"index-lacks", "index-holds"}
    assert lost in index
    assert 900 not in index


def test_a_base_that_the_disk_has_damaged_is_named_and_built_anew(checked: Checked) -> None:
    checked.save_photos(5)
    checked.write(checked.follower.save)
    assert checked.check(CheckScope()).ok
    (base,) = checked.house.state.glob("*.faiss")
    with base.open("r+b") as stream:  # what is mapped changes with it
        stream.seek(base.stat().st_size // 2)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 4]))

    (difference,) = checked.check(CheckScope()).differences
    assert (difference.kind, difference.count) == ("index-damaged", 1)
    assert "is damaged; clipctl verify --repair builds it anew" in difference.sentence

    verdict = checked.check(CheckScope(repair=True))
    assert verdict.ok
    assert [one.kind for one in verdict.mended] == ["index-damaged"]
    assert not base.exists()
    assert len(checked.follower.index) == 5
    checked.write(checked.follower.save)
    assert checked.check(CheckScope()).ok


@pytest.mark.slow
def test_an_index_of_sqlite_that_is_wrong_is_mended_through_the_indexer(checked: Checked) -> None:
    checked.save_photos(3)
    wrong = "CREATE INDEX paths_by_inode ON paths(device, size_bytes, mtime_ns)"
    checked.write(lambda: spoil_an_index(checked.house.catalog.file, "paths_by_inode", wrong))
    assert not checked.check(CheckScope()).ok

    verdict = checked.check(CheckScope(repair=True))
    assert verdict.ok
    assert {one.kind for one in verdict.mended} == {"damaged"}


def test_an_index_that_cannot_be_mended_is_told_of_and_stops_nothing(checked: Checked) -> None:
    checked.save_photos(3)
    wrong = "CREATE UNIQUE INDEX paths_by_inode ON paths(device)"  # the same for all
    checked.write(lambda: spoil_an_index(checked.house.catalog.file, "paths_by_inode", wrong))
    with pytest.raises(CatalogCorruptError, match="sets it aside"):
        checked.check(CheckScope(repair=True))
    assert not checked.check(CheckScope()).ok


def test_one_check_at_a_time(checked: Checked) -> None:
    checked.save_photos(1)
    (checked.house.photos / "0.jpg").unlink()  # so that it waits for what may be on its way
    first = checked.verifier.start(DISK)
    with pytest.raises(RequestError, match="another check is under way"):
        checked.verifier.start(CheckScope())
    assert not first.verdict.result(PATIENCE_SECONDS).ok
    assert checked.check(CheckScope()).ok


def test_a_check_that_is_stopped_ends_at_once_and_makes_room(checked: Checked) -> None:
    checked.save_photos(1)
    (checked.house.photos / "0.jpg").unlink()
    check = checked.verifier.start(DISK)
    check.stop()
    with pytest.raises(CheckStoppedError):
        check.verdict.result(PATIENCE_SECONDS)
    assert checked.check(CheckScope()).ok


def test_the_end_of_the_daemon_ends_a_check_and_refuses_the_next(checked: Checked) -> None:
    checked.save_photos(1)
    (checked.house.photos / "0.jpg").unlink()
    check = checked.verifier.start(DISK)
    checked.verifier.close()
    with pytest.raises(CheckStoppedError):
        check.verdict.result(0)
    with pytest.raises(StoppingError):
        checked.verifier.start(CheckScope())


def test_a_check_of_an_indexer_that_has_ended_says_that_clipd_stops(checked: Checked) -> None:
    checked.save_photos(2)
    checked.indexer.stop()
    checked.follower.index.replace(
        checked.follower.index.ids(), np.empty(0, np.int64), np.empty((0, 16), np.float32)
    )
    with pytest.raises(StoppingError):
        checked.check(CheckScope())


def replaced_silently(checked: Checked, path: Path) -> None:
    """Have the catalog take a picture for another one that looks the same from outside."""
    before = os.stat(path)
    draw(path, 99)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    house, name = checked.house, os.fsencode(path)

    def take() -> None:
        photo = house.reader.photo_at(name)
        assert photo is not None
        with house.catalog.writing():
            house.catalog.put_path(house.root.id, name, stat_with_birth(name).fingerprint, photo)

    checked.write(take)


def keep_changing(checked: Checked, done: threading.Event) -> None:
    """Rename photos and tell the backlog, as the watcher would; copies of none are encoded."""
    photos = checked.house.photos
    for turn in range(10_000):
        if done.is_set():
            return
        for number in range(30):
            old, new = (photos / f"{number}{'x' * ((turn + one) % 2)}.jpg" for one in (0, 1))
            old.rename(new)
            checked.house.backlog.hint(os.fsencode(new))
            checked.house.backlog.hint(os.fsencode(old))
        done.wait(0.05)
