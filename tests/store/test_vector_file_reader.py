"""A file of vectors that is damaged, or is something else, is refused before it is used."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clipd.errors import VectorFileError
from tests.store.moving import Arrays, add_about, export, read, rewrite
from tests.store.stock import Stock


@pytest.fixture
def file(stock: Stock, tmp_path: Path) -> Path:
    stock.fill(30)
    export(stock, tmp_path / "photos.npz")
    return tmp_path / "photos.npz"


def test_pages_of_any_size_hold_the_same_photos(file: Path) -> None:
    whole = read(file)

    assert len(whole) == 30
    assert read(file, 7) == read(file, 1) == whole


def test_what_numpy_has_written_again_is_read(file: Path) -> None:
    whole = read(file)
    rewrite(file, lambda arrays: None)
    assert read(file) == whole


def test_a_file_that_is_cut_anywhere_is_refused(file: Path) -> None:
    content = file.read_bytes()
    for size in range(0, len(content), 97):
        file.write_bytes(content[:size])
        with pytest.raises(VectorFileError, match="damaged, or no file of vectors"):
            read(file)


def test_a_flipped_bit_is_refused_or_changes_nothing(file: Path) -> None:
    whole, content = read(file), file.read_bytes()
    dice = random.Random(7)
    refused = 0
    for _ in range(600):
        flipped = bytearray(content)
        flipped[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        file.write_bytes(flipped)
        try:
            assert read(file) == whole
        except VectorFileError:
            refused += 1
    assert refused > 400


def _set(name: str, value: object) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.__setitem__(name, np.array(value))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("vectors", np.zeros((30, 8), "<f2")), "vectors is float16 of the shape"),
        (_set("vectors", np.zeros((30, 16), "<f4")), "vectors is float32"),
        (_set("vectors", np.zeros((29, 16), "<f2")), "shape"),
        (_set("vectors", np.asfortranarray(np.zeros((30, 16), "<f2"))), "vectors is float16"),
        (_set("hashes", np.array([object()] * 30)), "hashes is object"),
        (_set("widths", np.zeros(30, ">i4")), "widths is"),
        (_set("file_photos", np.arange(30)[::-1]), "not in the order"),
        (_set("file_photos", np.arange(1, 31)), "not in the order"),
        (_set("path_ends", np.zeros(30, np.int64)), "a path is empty"),
        (_set("path_ends", np.arange(30) * 9000), "a path is empty or too long"),
        (_set("path_bytes", np.zeros(9, "u1")), "cut short"),
        (_set("path_bytes", np.zeros(9999, "u1")), "behind the last path"),
        (_set("formats", np.array([b"\xff"] * 30, "S16")), "ascii"),
        (lambda arrays: arrays.pop("sharpness"), "sharpness"),
    ],
)
def test_an_array_that_is_not_what_it_has_to_be_is_refused(
    file: Path, change: Callable[[Arrays], object], words: str
) -> None:
    rewrite(file, change)
    with pytest.raises(VectorFileError, match=words):
        read(file)


@pytest.mark.parametrize(
    "about",
    [b"", b"{", b"[]", b'{"format": 1}', b'{"format": 1, "model": "x"}', b"[" * 9000, b" " * 99999],
)
def test_a_description_that_is_none_is_refused(file: Path, about: bytes) -> None:
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "clipd.json"}
    np.savez(file, **arrays)
    add_about(file, about)

    with pytest.raises(VectorFileError, match="no file of vectors"):
        read(file)


def test_a_later_format_is_named(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("clipd.json", json.dumps({"format": 2}))

    with pytest.raises(VectorFileError, match="is of format 2, and this clipd reads 1"):
        read(file)


def test_another_zip_a_text_and_a_folder_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, vectors=np.zeros(3))
    (tmp_path / "text").write_text("no zip")

    for file in (other, tmp_path / "text", tmp_path, tmp_path / "nowhere"):
        with pytest.raises(VectorFileError, match=str(file)):
            read(file)
