"""Reading a file of vectors, which may be damaged, or something else altogether."""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from clipd.errors import VectorFileError
from clipd.store.vector_file import (
    ABOUT,
    FORMAT,
    OF_FILES,
    OF_PHOTOS,
    PATH_BYTES,
    Column,
    PortableFile,
    PortablePhoto,
    VectorModel,
    vectors_column,
)

_SLICE = 2048  # rows that are read at once
_MOST_ABOUT_BYTES = 64 << 10
_MOST_DIM = 1 << 14
_MOST_ROWS = 1 << 32
_MOST_PATH_BYTES = 4096  # PATH_MAX of Linux
_MOST_FILES = 64  # of one photo that are passed on: there may be thousands of hard links
_NO_NPZ = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, TypeError)
_OTHER_ZIP = (NotImplementedError, RuntimeError)  # a compression, or a password


class VectorFile:
    """A file of vectors that is open for reading."""

    def __init__(self, file: Path, archive: zipfile.ZipFile) -> None:
        """Read what the file says of itself.

        Raises:
            VectorFileError: it is no file of vectors, or of another format.
        """
        self._file = file
        self._archive = archive
        with _translating(file):
            self.model, self.photos, self.files = _about(file, archive)

    def check(self, progress: Callable[[int], None]) -> None:
        """Read all of it; every part is compared with its checksum on the way.

        Args:
            progress: called with the photos that were read so far.

        Raises:
            VectorFileError: a part is damaged, missing, or not what it has to be.
        """
        done = 0
        for page in self.pages(_SLICE, with_files=True):
            done += len(page)
            progress(done)

    def pages(self, size: int, *, with_files: bool) -> Iterator[tuple[PortablePhoto, ...]]:
        """Return the photos, so many at a time.

        Args:
            size: photos in a page.
            with_files: also where they lay.

        Raises:
            VectorFileError: a part is damaged, missing, or not what it has to be.
        """
        with ExitStack() as opened, _translating(self._file):
            columns = [
                _reading(opened, self._archive, column, self.photos)
                for column in (*OF_PHOTOS, vectors_column(self.model.dim))
            ]
            files = _FilesOfPhotos(self._files(opened) if with_files else iter(()))
            for first in range(0, self.photos, size):
                rows = min(size, self.photos - first)
                values = zip(*(column.take(rows) for column in columns), strict=True)
                yield tuple(_photo(row, files.of(at)) for at, row in enumerate(values, first))
            files.insist_on_end()

    def _files(self, opened: ExitStack) -> Iterator[tuple[int, PortableFile]]:
        """Return where the photos lay, each with the row of its photo, which never falls."""
        columns = [_reading(opened, self._archive, column, self.files) for column in OF_FILES]
        member = self._archive.getinfo(PATH_BYTES.member)
        names = _reading(opened, self._archive, PATH_BYTES, None, member.file_size)
        end_before = 0
        for first in range(0, self.files, _SLICE):
            rows = min(_SLICE, self.files - first)
            for photo, size, mtime, end in zip(*(each.take(rows) for each in columns), strict=True):
                length = int(end) - end_before
                if not 0 < length <= _MOST_PATH_BYTES:
                    raise ValueError("a path is empty or too long")
                end_before = int(end)
                path = names.take(length).tobytes()
                yield int(photo), PortableFile(path, int(size), int(mtime))
        if names.rows_left:
            raise ValueError("there is more behind the last path")


@contextmanager
def reading_vector_file(file: Path) -> Iterator[VectorFile]:
    """Open a file of vectors.

    Raises:
        VectorFileError: it cannot be read, or is no file of vectors.
    """
    with ExitStack() as opened:
        with _translating(file):
            archive = opened.enter_context(zipfile.ZipFile(file))
        yield VectorFile(file, archive)


class _FilesOfPhotos:
    """Hands out files by photo; both come in the order of photos."""

    def __init__(self, files: Iterator[tuple[int, PortableFile]]) -> None:
        self._files = files
        self._following = next(files, None)

    def of(self, photo: int) -> tuple[PortableFile, ...]:
        found: list[PortableFile] = []
        while self._following is not None and self._following[0] == photo:
            found.append(self._following[1])
            self._following = next(self._files, None)
        return tuple(found[:_MOST_FILES])

    def insist_on_end(self) -> None:
        if self._following is not None:
            raise ValueError("its files are not in the order of its photos")


class _ColumnReader:
    """Reads the rows of one array, in order."""

    def __init__(self, stream: IO[bytes], column: Column, rows: int) -> None:
        self._stream = stream
        self._column = column
        self.rows_left = rows

    def take(self, rows: int) -> NDArray[Any]:
        """Return the next rows."""
        wanted = rows * self._column.row_bytes
        data = bytearray()
        while len(data) < wanted and (piece := self._stream.read(wanted - len(data))):
            data += piece
        if len(data) < wanted:
            raise EOFError(f"{self._column.name} is cut short")
        self.rows_left -= rows
        return np.frombuffer(data, self._column.dtype).reshape(self._column.shape(rows))


def _reading(
    opened: ExitStack,
    archive: zipfile.ZipFile,
    column: Column,
    rows: int | None,
    most_rows: int = 0,
) -> _ColumnReader:
    """Open an array, and insist that it is the column, whole, with so many rows.

    Args:
        rows: None: any number up to ``most_rows``.
    """
    member = archive.getinfo(column.member)
    stream = opened.enter_context(archive.open(member))
    shape, is_fortran, dtype = _head(stream)
    if rows is None:
        rows = shape[0] if shape and shape[0] <= most_rows else 0
    is_right = shape == column.shape(rows) and dtype == np.dtype(column.dtype) and not is_fortran
    # Nothing behind the last row, either: the end of a member is where its checksum is compared.
    if not is_right or member.file_size != stream.tell() + rows * column.row_bytes:
        raise ValueError(f"{column.name} is {dtype} of the shape {shape}, or cut short")
    return _ColumnReader(stream, column, rows)


def _head(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise ValueError("an array of a version that is not known")


def _photo(row: tuple[Any, ...], files: tuple[PortableFile, ...]) -> PortablePhoto:
    content_hash, width, height, format_, taken, sharpness, vector = row
    return PortablePhoto(
        content_hash.tobytes(),
        int(width),
        int(height),
        format_.decode("ascii"),
        taken.decode("ascii"),
        None if math.isnan(sharpness) else float(sharpness),
        vector.tobytes(),
        files,
    )


def _about(file: Path, archive: zipfile.ZipFile) -> tuple[VectorModel, int, int]:
    member = archive.getinfo(ABOUT)
    if member.file_size > _MOST_ABOUT_BYTES:
        raise ValueError(f"{ABOUT} is too long")
    told = json.loads(archive.read(member))
    if told["format"] != FORMAT:
        raise VectorFileError(
            f"{file} is of format {told['format']!r}, and this clipd reads {FORMAT}; "
            "export it again with the version of clipd that is here"
        )
    model = told["model"]
    texts = (str(model["name"]), str(model["pretrained"]), str(model["fingerprint"]))
    dim = _number(model["dim"], 1, _MOST_DIM)
    photos, files = (_number(told[key], 0, _MOST_ROWS) for key in ("photos", "files"))
    return VectorModel(*texts, dim), photos, files


def _number(value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{ABOUT} has {value!r} where a number from {low} to {high} has to be")
    return value


@contextmanager
def _translating(file: Path) -> Iterator[None]:
    """Turn what zip files and arrays complain of into ours."""
    try:
        yield
    except OSError as error:
        raise VectorFileError(f"cannot read {file}: {error.strerror}") from error
    except (*_NO_NPZ, *_OTHER_ZIP) as error:
        raise VectorFileError(
            f"{file} is damaged, or no file of vectors ({error}); export it again, or copy it again"
        ) from error
