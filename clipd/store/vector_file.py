"""A file of photos' vectors that goes from one machine to another, and how it is written.

An ``.npz``: a zip of arrays, of which numpy's ``load`` opens each without pickle, and one text,
``clipd.json``. ``docs/moving.md`` tells what is in it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

FORMAT = 1
ABOUT = "clipd.json"


@dataclass(frozen=True, slots=True)
class VectorModel:
    """The model that made the vectors of a file."""

    name: str
    pretrained: str  # open_clip's tag, "" where it is not known
    fingerprint: str
    dim: int


@dataclass(frozen=True, slots=True)
class PortableFile:
    """Where a photo lay, and what its file looked like from outside."""

    path: bytes
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class PortablePhoto:
    """A photo with its vector, as it travels between catalogs."""

    content_hash: bytes
    width: int
    height: int
    format: str
    taken_at: str
    sharpness: float | None
    vector: bytes  # half precision, little-endian
    files: tuple[PortableFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One array of the file: its name, what its numbers are, and how many each row has."""

    name: str
    dtype: str
    width: int = 0  # 0: the array has one dimension

    @property
    def member(self) -> str:
        """Its name in the zip."""
        return f"{self.name}.npy"

    @property
    def row_bytes(self) -> int:
        """How many bytes a row takes."""
        return np.dtype(self.dtype).itemsize * (self.width or 1)

    def shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape of so many rows."""
        return (rows, self.width) if self.width else (rows,)


HASHES = Column("hashes", "|u1", 16)
WIDTHS, HEIGHTS = Column("widths", "<i4"), Column("heights", "<i4")
FORMATS, TAKEN = Column("formats", "|S16"), Column("taken", "|S32")
SHARPNESS = Column("sharpness", "<f8")  # NaN where it is not known
FILE_PHOTOS = Column("file_photos", "<i8")  # rows of photos, in order
FILE_SIZES, FILE_MTIMES = Column("file_sizes", "<i8"), Column("file_mtimes_ns", "<i8")
PATH_ENDS, PATH_BYTES = Column("path_ends", "<i8"), Column("path_bytes", "|u1")
OF_PHOTOS = (HASHES, WIDTHS, HEIGHTS, FORMATS, TAKEN, SHARPNESS)  # and the vectors
OF_FILES = (FILE_PHOTOS, FILE_SIZES, FILE_MTIMES, PATH_ENDS)  # and the bytes of paths


def vectors_column(dim: int) -> Column:
    """Return the column of vectors with so many numbers each."""
    return Column("vectors", "<f2", dim)


class VectorFileWriter:
    """Writes a file of vectors, one column after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def put_about(self, model: VectorModel, photos: int, files: int) -> None:
        """Say what the file holds."""
        told = {"format": FORMAT, "model": asdict(model), "photos": photos, "files": files}
        self._archive.writestr(ABOUT, json.dumps(told, indent=2) + "\n")

    def put(self, column: Column, rows: int, pieces: Iterable[bytes]) -> None:
        """Write a column.

        Args:
            rows: how many there are.
            pieces: their bytes, row by row.
        """
        with self._archive.open(column.member, "w", force_zip64=True) as member:
            head = {"descr": column.dtype, "fortran_order": False, "shape": column.shape(rows)}
            npy.write_array_header_1_0(member, head)
            for piece in pieces:
                member.write(piece)


@contextmanager
def writing_vector_file(stream: BinaryIO) -> Iterator[VectorFileWriter]:
    """Make a file of vectors in an empty stream; it is whole when the block ends well."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        yield VectorFileWriter(archive)
