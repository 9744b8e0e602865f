"""Files of vectors for tests, as `export_vectors` writes them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipd.store.vector_export import Export, export_vectors
from clipd.store.vector_file import PortablePhoto
from clipd.store.vector_file_reader import reading_vector_file
from tests.store.stock import Stock

Arrays = dict[str, NDArray[np.generic]]


def export(stock: Stock, file: Path, model: str | None = None) -> Export:
    def nothing(done: int, total: int) -> None: ...

    return export_vectors(stock.file, file, lambda fingerprint: "tag", nothing, model)


def read(file: Path, size: int = 1000) -> list[PortablePhoto]:
    """Check a file and return its photos."""
    with reading_vector_file(file) as source:
        source.check(lambda done: None)
        return [photo for page in source.pages(size, with_files=True) for photo in page]


def rewrite(file: Path, change: Callable[[Arrays], object], **about: object) -> None:
    """Write a file anew with numpy, with other arrays, and other words about them."""
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "clipd.json"}
        told = json.loads(archive["clipd.json"])
    change(arrays)
    np.savez(file, allow_pickle=True, **arrays)
    add_about(file, json.dumps(told | about).encode())


def add_about(file: Path, about: bytes) -> None:
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("clipd.json", about)
