from __future__ import annotations

import contextlib
import itertools
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipd.errors import CatalogNewerError, EncodeError, StorageFullError
from clipd.photo import FailureKind, Fingerprint
from clipd.store.backup import backup
from clipd.store.catalog import Catalog
from clipd.store.rows import Located
from tests.store.stock import ROOT, Stock, a_hash, a_model, a_print, a_vector

ODD_NAMES = (b"/photos/\xff\xfe.jpg", b"/photos/a\nb\tc.jpg", "/photos/e\u0301.jpg".encode())


@pytest.mark.parametrize("path", ODD_NAMES)
def test_a_name_of_any_bytes_comes_back_as_it_was(stock: Stock, path: bytes) -> None:
    with stock.catalog.writing():
        photo = stock.put(path, 1)

    row = stock.catalog.path(path)

    assert row is not None
    assert (row.path, row.photo) == (path, photo)
    assert stock.reader.locate([photo]) == {
        photo: (Located(path, stock.root, row.fingerprint.device),)
    }
    assert [stock.catalog.paths_under(ROOT), stock.reader.photo_at(path)] == [[path], photo]


def test_numbers_beyond_64_bits_come_back_as_they_were(stock: Stock) -> None:
    odd = Fingerprint(1, 2**66, -(2**65), 2**64 - 1, 2**63)
    with stock.catalog.writing():
        photo = stock.put(b"/photos/a.jpg", 1)
        stock.catalog.put_path(stock.root, b"/photos/a.jpg", odd, photo)
        stock.catalog.remember_root(stock.root, 2**64 - 1, 2**63)

    (found,) = stock.catalog.same_inode(odd, b"/photos/b.jpg", 2)

    assert found.fingerprint == odd
    assert stock.reader.root_identity(stock.root) == (2**64 - 1, 2**63)


def test_a_forgotten_path_leaves_a_tombstone_by_which_a_move_is_known(stock: Stock) -> None:
    with stock.catalog.writing():
        photo = stock.put(b"/photos/a.jpg", 1)
        assert stock.catalog.forget_path(b"/photos/a.jpg", now=50)
        assert not stock.catalog.forget_path(b"/photos/a.jpg", now=60)

    (old,) = stock.catalog.same_inode(a_print(1), b"/photos/b.jpg", 2)

    assert (old.photo, old.gone_at) == (photo, 50)
    assert stock.reader.photo_at(b"/photos/a.jpg") is None
    assert stock.catalog.same_inode(a_print(1, size=101), b"/photos/b.jpg", 2) == []


def test_the_path_that_asks_is_no_answer_and_few_of_many_links_are_enough(stock: Stock) -> None:
    with stock.catalog.writing():
        photo = stock.put(b"/photos/a.jpg", 1)
        for number in range(20):
            path = b"/photos/link%d.jpg" % number
            stock.catalog.put_path(stock.root, path, a_print(1), photo)

    found = stock.catalog.same_inode(a_print(1), b"/photos/a.jpg", 8)

    assert len(found) == 8
    assert b"/photos/a.jpg" not in {row.path for row in found}


def test_every_row_of_an_inode_is_a_candidate_but_the_path_s_own(stock: Stock) -> None:
    born, reborn = a_print(1, born=500), a_print(1, born=900)
    paths = [b"/photos/%d.jpg" % n for n in range(4)]
    with stock.catalog.writing():
        photo = stock.put(paths[0], 1)
        for path, fp in zip(paths, (born, born, reborn, a_print(1)), strict=True):
            stock.catalog.put_path(stock.root, path, fp, photo)
        stock.catalog.forget_path(paths[1], 50)

    def found(fp: Fingerprint, limit: int = 16) -> set[bytes]:
        return {row.path for row in stock.catalog.same_inode(fp, paths[0], limit)}

    assert found(born) == {paths[1], paths[3]}  # the birth of the last is not known
    assert found(a_print(1)) == set(paths[1:])
    assert found(a_print(1, size=101)) == set()
    assert len(found(a_print(1), limit=2)) == 2


def test_a_path_put_back_has_no_tombstone_and_no_failure(stock: Stock) -> None:
    path = b"/photos/a.jpg"
    with stock.catalog.writing():
        photo = stock.put(path, 1)
        stock.catalog.put_failure(stock.root, path, a_print(1), "corrupt", "no picture", 50)
    with stock.catalog.writing():
        assert stock.reader.photo_at(path) is None
        stock.catalog.put_path(stock.root, path, a_print(1), photo)

    row = stock.catalog.path(path)

    assert row is not None
    assert row.gone_at is None
    assert stock.catalog.failure(path) is None


def test_a_failure_says_since_when_it_is_of_its_kind(stock: Stock) -> None:
    path = b"/photos/a.jpg"
    kinds: tuple[tuple[int, FailureKind], ...] = ((10, "corrupt"), (20, "corrupt"), (30, "timeout"))
    rows = []
    for now, kind in kinds:
        with stock.catalog.writing():
            stock.catalog.put_failure(stock.root, path, None, kind, f"{kind} \udcff", now)
        rows += stock.reader.failures(b"", 10, skipped=False)

    assert [row.since for row in rows] == [10, 10, 30]
    assert rows[-1].reason == "timeout \\udcff"


def test_paths_under_a_folder_are_paged_without_a_gap_or_a_repeat(stock: Stock) -> None:
    inside = [b"/photos/a/%d.jpg" % n for n in range(5)]
    inside += [b"/photos/a/b/%d.jpg" % n for n in range(5)] + [b"/photos/a/\xff/c/x.jpg"]
    outside = [b"/photos/a.jpg", b"/photos/a-b/x.jpg", b"/photos/a0/x.jpg", b"/photos/x.jpg"]
    with stock.catalog.writing():
        for number, path in enumerate(inside + outside):
            stock.put(path, number)
        stock.catalog.forget_path(inside.pop(0), 50)
        stock.catalog.put_failure(stock.root, b"/photos/a/b/f", None, "empty", "no bytes", 50)

    for folder, wanted in (
        (b"/photos/a", [*inside, b"/photos/a/b/f"]),
        (b"/photos/a/", [*inside, b"/photos/a/b/f"]),
        (b"/", [*inside, *outside, b"/photos/a/b/f"]),
        (b"/photos/nothing", []),
    ):
        found: list[bytes] = []
        while page := stock.catalog.paths_under(folder, found[-1] if found else b"", limit=2):
            found += page
        assert sorted(found) == sorted(wanted)
        assert len(found) == len(set(found))


def test_ids_are_never_given_out_again(stock: Stock) -> None:
    last = stock.fill(3)[-1]
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000002.jpg", 50)
        assert stock.catalog.purge(before=51) == 2  # the tombstone and its photo
    with stock.catalog.writing():
        assert stock.put(b"/photos/new.jpg", 99) > last


def test_purge_keeps_what_is_young_or_in_use_and_drops_vectors_with_their_photo(
    stock: Stock,
) -> None:
    copied, old, young = stock.fill(3)
    with stock.catalog.writing():
        stock.put(b"/photos/copy.jpg", 0)
        for path, now in ((b"/photos/000000.jpg", 50), (b"/photos/000001.jpg", 50)):
            stock.catalog.forget_path(path, now)
        stock.catalog.forget_path(b"/photos/000002.jpg", 90)
        while stock.catalog.purge(before=60, limit=1):
            pass

    assert stock.catalog.photo_of_hash(a_hash(0)) == copied
    assert stock.catalog.photo_of_hash(a_hash(2)) == young
    assert stock.catalog.photo_of_hash(a_hash(1)) is None
    assert stock.reader.vectors.of_photo(stock.model, old) is None
    assert stock.reader.vectors.of_photo(stock.model, young) is not None
    assert stock.reader.damage().sentences == []


def test_a_photo_whose_file_was_edited_is_kept_for_an_undo(stock: Stock) -> None:
    with stock.catalog.writing():
        before = stock.put(b"/photos/a.jpg", 1)
        stock.put(b"/photos/a.jpg", 2)
        assert stock.catalog.purge(before=10**9) == 0  # long before the edit

    assert stock.catalog.photo_of_hash(a_hash(1)) == before
    with stock.catalog.writing():
        assert stock.catalog.purge(before=10**11) == 1


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf, 1e9, 1e-9], ids=str)
def test_a_vector_that_half_precision_cannot_keep_is_refused(stock: Stock, bad: float) -> None:
    vector = np.zeros(16, np.float32)
    vector[3] = bad
    with pytest.raises(EncodeError, match="zero or not finite"), stock.catalog.writing():
        stock.catalog.put_vector(stock.model, stock.put(b"/photos/a", 1, vector=False), vector)

    assert stock.reader.counts(stock.model).photos == 0


def test_a_vector_of_another_length_is_refused(stock: Stock) -> None:
    (photo,) = stock.fill(1)
    with pytest.raises(EncodeError, match="shape"), stock.catalog.writing():
        stock.catalog.put_vector(stock.model, photo, a_vector(1, dim=8))


def test_photos_that_lack_a_vector_are_found_with_a_live_path(stock: Stock) -> None:
    with stock.catalog.writing():
        stock.put(b"/photos/has.jpg", 1)
        lacks = stock.put(b"/photos/gone.jpg", 2, vector=False)
        stock.put(b"/photos/\xff.jpg", 2, vector=False)
        stock.put(b"/photos/dead.jpg", 3, vector=False)
        for path in (b"/photos/gone.jpg", b"/photos/dead.jpg"):
            stock.catalog.forget_path(path, 50)
        other = stock.catalog.model(a_model("two", dim=8))

    found = stock.catalog.photos_without_vector(stock.model, 0, 10)

    assert found == [(lacks, b"/photos/\xff.jpg")]
    assert len(stock.catalog.photos_without_vector(other, 0, 10)) == 2
    assert stock.reader.counts(other).without_vector == 2


def test_query_vectors_come_back_exactly_and_only_the_newest_are_kept(stock: Stock) -> None:
    vector = a_vector(5)
    with stock.catalog.writing():
        stock.catalog.put_text_vector(stock.model, "lone \udcff", vector, now=1)
        for number in range(10_001):
            stock.catalog.put_text_vector(stock.model, f"query {number}", vector, now=2 + number)

    assert stock.reader.vectors.of_text(stock.model, "lone \udcff") is None
    assert stock.reader.vectors.of_text(stock.model, "query 0") is None
    kept = stock.reader.vectors.of_text(stock.model, "query 1")
    assert kept is not None
    assert np.array_equal(kept, vector)
    assert stock.reader.counts(stock.model).text_vectors == 10_000


def test_no_file_tells_what_was_searched_for(stock: Stock) -> None:
    with stock.catalog.writing():
        stock.catalog.put_text_vector(stock.model, "my private query", a_vector(5), now=1)
    backup(stock.file, stock.folder)

    for file in stock.folder.glob("*.sqlite*"):
        assert b"private query" not in file.read_bytes(), file


@pytest.mark.parametrize("blob", [b"short", bytes(64), b"\xff" * 64])
def test_a_damaged_vector_of_a_query_counts_as_none(stock: Stock, blob: bytes) -> None:
    with stock.catalog.writing():
        stock.catalog.put_text_vector(stock.model, "sunset", a_vector(5), now=1)
    with contextlib.closing(sqlite3.connect(stock.file)) as connection, connection:
        connection.execute("UPDATE text_vectors SET vector = ?", (blob,))

    assert stock.reader.vectors.of_text(stock.model, "sunset") is None


def test_a_root_that_left_the_config_is_retired_and_comes_back_for_nothing(stock: Stock) -> None:
    (photo,) = stock.fill(1)
    with stock.catalog.writing():
        stock.catalog.put_failure(stock.root, b"/photos/x.txt", None, "skipped", "no", 5)
        other = stock.catalog.root(b"/other")
    assert sum(stock.catalog.retire_roots([other], now=50)) == 1

    assert stock.reader.root_counts() == {stock.root: 0, other: 0}
    assert stock.catalog.failure(b"/photos/x.txt") is None
    with stock.catalog.writing():
        assert stock.catalog.root(ROOT) == stock.root
        stock.catalog.put_path(stock.root, b"/photos/000000.jpg", a_print(0), photo)
    assert stock.reader.counts(stock.model).without_vector == 0


def test_reviving_brings_back_young_tombstones_but_not_failures(stock: Stock) -> None:
    stock.fill(3)
    with stock.catalog.writing():
        stock.catalog.forget_path(b"/photos/000000.jpg", 40)
        stock.catalog.forget_path(b"/photos/000001.jpg", 50)
        stock.catalog.put_failure(stock.root, b"/photos/000002.jpg", None, "empty", "no bytes", 50)
        assert stock.catalog.revive(stock.root, since=50) == 1

    assert stock.catalog.paths_under(ROOT) == [b"/photos/000001.jpg", b"/photos/000002.jpg"]
    assert stock.reader.damage().sentences == []


def test_a_photo_that_cannot_be_read_just_now_stays_beside_its_failure(stock: Stock) -> None:
    path = b"/photos/000000.jpg"
    (photo,) = stock.fill(1)
    with stock.catalog.writing():
        stock.catalog.put_failure(stock.root, path, None, "unreadable", "the disk failed", 50)

    assert stock.reader.photo_at(path) == photo
    assert [row.kind for row in stock.reader.folder_rows(ROOT, b"", 9)] == [None, "unreadable"]
    assert stock.reader.counts(stock.model).errors == 1
    with stock.catalog.writing():
        stock.catalog.put_path(stock.root, path, a_print(0), photo)
    assert stock.reader.counts(stock.model).errors == 0


def test_reviving_brings_back_what_could_not_be_read(stock: Stock) -> None:
    path = b"/photos/000000.jpg"
    (photo,) = stock.fill(1)
    with stock.catalog.writing():
        stock.catalog.forget_path(path, 50)
        stock.catalog.put_failure(stock.root, path, None, "unreadable", "it is not connected", 50)
        assert stock.catalog.revive(stock.root, since=50) == 1

    assert stock.reader.photo_at(path) == photo


def test_an_error_undoes_the_whole_transaction(stock: Stock) -> None:
    with pytest.raises(ZeroDivisionError), stock.catalog.writing():
        stock.put(b"/photos/a.jpg", 1 // stock.put(b"/photos/b.jpg", 2) // 0)

    assert stock.catalog.path(b"/photos/a.jpg") is None
    stock.fill(1)
    assert stock.reader.counts(stock.model).photos == 1


def test_a_write_outside_of_a_transaction_is_a_bug(stock: Stock) -> None:
    with pytest.raises(RuntimeError, match="outside"):
        stock.put(b"/photos/a.jpg", 1)
    with pytest.raises(RuntimeError, match="outside"):
        stock.catalog.root(b"/other")


def test_a_catalog_of_a_newer_clipd_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "catalog.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 9000")
        connection.execute("CREATE TABLE things (x)")
    connection.close()
    before = file.read_bytes()

    with pytest.raises(CatalogNewerError, match="written by a newer clipd"):
        Catalog.open(file)

    assert file.read_bytes() == before


def test_the_catalog_and_its_wal_are_private(stock: Stock) -> None:
    stock.fill(1)

    modes = {path.name: path.stat().st_mode & 0o777 for path in stock.folder.glob("catalog*")}

    assert modes == dict.fromkeys(
        ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"), 0o600
    )


def test_a_catalog_lies_in_a_folder_of_any_name(tmp_path: Path) -> None:
    for name in ("a%20b?mode=ro#c", "\udcff\udcfe"):
        with Stock(_made(tmp_path / name)) as stock:
            stock.fill(1)
            assert stock.reader.counts(stock.model).photos == 1
            assert stock.file.exists()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def fill_without_end(stock: Stock) -> None:
    for batch in itertools.count(1):
        with stock.catalog.writing():
            for n in range(100):
                stock.put(b"/photos/%d/%d.jpg" % (batch, n), 1000 * batch + n)


def test_a_full_disk_is_said_to_be_full_and_nothing_is_lost(small_disk: Path) -> None:
    with Stock(small_disk) as stock:
        stock.fill(10)
        with pytest.raises(StorageFullError, match="room"):
            fill_without_end(stock)
        survivors = stock.reader.counts(stock.model).photos
        assert survivors >= 10
        assert stock.reader.damage().sentences == []
    with Stock(small_disk) as again:
        assert again.reader.counts(again.model).photos == survivors
    assert not list(small_disk.glob("*suspect*"))


_FILL_UNTIL_REFUSED = """
import sys
from pathlib import Path
from tests.store.stock import Stock
from tests.store.test_catalog import fill_without_end
stock = Stock(Path(sys.argv[1]))
try:
    fill_without_end(stock)
except Exception as error:
    print(type(error).__name__, stock.reader.counts(stock.model).photos, flush=True)
"""


@pytest.mark.slow
def test_an_io_error_while_writing_is_not_taken_for_damage(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that write() fails with EFBIG
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    child = subprocess.run(
        [sys.executable, "-c", _FILL_UNTIL_REFUSED, str(tmp_path)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    name, survivors = child.stdout.split()

    assert name == "StorageFullError", child.stderr
    assert not list(tmp_path.glob("*suspect*"))
    with Stock(tmp_path) as stock:
        assert stock.reader.counts(stock.model).photos == int(survivors) > 0
        assert stock.reader.damage().sentences == []
