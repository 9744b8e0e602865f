"""The vectors of a catalog, written into a file that numpy opens."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from clipd.errors import StoreError, VectorFileError
from clipd.store.vector_export import export_vectors
from tests.store.moving import export, read
from tests.store.stock import DIM, Stock, a_hash, a_model, a_vector

UGLY = b"/photos/\xff\xfe not utf-8.jpg"


def test_numpy_opens_what_was_exported_without_pickle(stock: Stock, tmp_path: Path) -> None:
    stock.fill(5000)  # more than a slice
    file = tmp_path / "photos.npz"

    done = export(stock, file)

    with np.load(file, allow_pickle=False) as arrays:
        about = json.loads(arrays["clipd.json"])
        assert arrays["vectors"].shape == (5000, DIM)
        assert arrays["hashes"][4999].tobytes() == a_hash(4999)
        assert np.allclose(arrays["vectors"][4999], a_vector(4999), atol=1e-3)
        assert arrays["path_bytes"].tobytes().endswith(b"/photos/004999.jpg")
    assert about["model"] == {
        "name": "one",
        "pretrained": "tag",
        "fingerprint": "one",
        "dim": DIM,
    }
    assert (done.photos, done.files, done.damaged) == (5000, 5000, 0)
    assert file.stat().st_mode & 0o777 == 0o600


def test_every_copy_of_a_photo_and_every_name_is_written(stock: Stock, tmp_path: Path) -> None:
    with stock.catalog.writing():
        stock.put(b"/photos/a.jpg", 1)
        stock.put(UGLY, 1)
        stock.put(b"/photos/gone.jpg", 2)
        stock.catalog.forget_path(b"/photos/gone.jpg", 50)
        stock.put(b"/photos/no vector.jpg", 3, vector=False)
        stock.put(b"/photos/b.jpg", 4)
        stock.catalog.put_sharpness(stock.put_id(4), 12.5)

    export(stock, tmp_path / "photos.npz")

    first, second = read(tmp_path / "photos.npz")
    assert [file.path for file in first.files] == [b"/photos/a.jpg", UGLY]
    assert (first.content_hash, second.content_hash) == (a_hash(1), a_hash(4))
    assert (first.width, first.height, first.format) == (4, 3, "JPEG")
    assert (second.files[0].size_bytes, second.files[0].mtime_ns) == (100, 10**18 + 4)
    assert (first.sharpness, second.sharpness) == (None, 12.5)


def test_the_model_is_the_one_in_use_or_the_one_that_is_named(stock: Stock, tmp_path: Path) -> None:
    stock.fill(3)
    with stock.catalog.writing():
        stock.catalog.use_model(stock.spec, 50)
        following = stock.catalog.prepare_model(a_model("two"), 10**9)
        stock.catalog.put_vector(following, stock.put_id(1), a_vector(7))
    file = tmp_path / "photos.npz"

    assert export(stock, file).model.name == "one"
    done = export(stock, file, "two")

    assert (done.model.name, done.photos) == ("two", 1)
    (photo,) = read(file)
    assert photo.content_hash == a_hash(1)
    with pytest.raises(VectorFileError, match="'three'; there are those of: one, two"):
        export(stock, file, "three")


def test_a_damaged_vector_is_left_out_and_counted(stock: Stock, tmp_path: Path) -> None:
    stock.fill(3)
    with stock.catalog.writing():
        stock.catalog.writer.write("UPDATE vectors SET checksum = 7 WHERE photo_id = 2")

    done = export(stock, tmp_path / "photos.npz")

    assert (done.photos, done.damaged) == (2, 1)
    assert [any(photo.vector) for photo in read(tmp_path / "photos.npz")] == [True, False, True]


def test_what_is_written_meanwhile_is_not_in_it(stock: Stock, tmp_path: Path) -> None:
    stock.fill(4000)

    def write(done: int, total: int) -> None:
        with stock.catalog.writing():
            stock.put(b"/photos/late %d.jpg" % done, 5000 + done)

    done = export_vectors(stock.file, tmp_path / "photos.npz", lambda _: "", write)

    assert done.photos == 4000
    assert len(read(tmp_path / "photos.npz")) == 4000
    assert stock.reader.counts(stock.model).photos > 4000


def test_there_is_something_to_export_or_a_sentence(stock: Stock, tmp_path: Path) -> None:
    with pytest.raises(VectorFileError, match="has no vectors of one yet"):
        export(stock, tmp_path / "photos.npz")
    stock.file = tmp_path / "nowhere" / "catalog.sqlite"
    with pytest.raises(VectorFileError, match=r"there is no catalog at .*clipd setup"):
        export(stock, tmp_path / "photos.npz")
    assert not (tmp_path / "photos.npz").exists()


def test_a_catalog_of_another_schema_is_left_alone(stock: Stock, tmp_path: Path) -> None:
    stock.fill(1)
    with closing(sqlite3.connect(stock.file)) as connection:
        connection.execute("PRAGMA user_version = 2")

    with pytest.raises(StoreError, match="has schema 2"):
        export(stock, tmp_path / "photos.npz")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(stock: Stock, small_disk: Path) -> None:
    stock.fill(200)
    file = small_disk / "photos.npz"
    export(stock, file)
    before = file.read_bytes()
    (small_disk / "rest").write_bytes(bytes((2 << 20) - len(before) - (40 << 10)))

    # Room by the count, but not for the columns that are held aside.
    with pytest.raises(VectorFileError, match=r"no room|cannot write .*nothing is left of it"):
        export(stock, file)

    assert file.read_bytes() == before
    assert sorted(os.listdir(small_disk)) == ["photos.npz", "rest"]


def test_too_little_room_is_told_before_anything_is_written(stock: Stock, small_disk: Path) -> None:
    stock.fill(10_000)

    with pytest.raises(VectorFileError, match=r"takes about \d MB, and 2 MB are free"):
        export(stock, small_disk / "photos.npz")

    assert os.listdir(small_disk) == []


def test_a_pipe_is_not_replaced(stock: Stock, tmp_path: Path) -> None:
    stock.fill(1)
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(VectorFileError, match="is no file that could be replaced"):
        export(stock, tmp_path / "pipe")


def test_a_folder_that_is_not_there_is_named(stock: Stock, tmp_path: Path) -> None:
    stock.fill(1)

    with pytest.raises(VectorFileError, match=r"cannot write .*No such file"):
        export(stock, tmp_path / "no" / "photos.npz")
