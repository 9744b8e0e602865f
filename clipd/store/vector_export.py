"""Writing the vectors of a catalog into a file, also beside a daemon that goes on writing it."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from clipd.durable import replacing
from clipd.errors import StoreError, VectorFileError
from clipd.store import schema
from clipd.store.reader import CatalogReader
from clipd.store.vector_file import (
    FILE_MTIMES,
    FILE_PHOTOS,
    FILE_SIZES,
    FORMATS,
    HASHES,
    HEIGHTS,
    OF_FILES,
    OF_PHOTOS,
    PATH_BYTES,
    PATH_ENDS,
    SHARPNESS,
    TAKEN,
    WIDTHS,
    Column,
    VectorFileWriter,
    VectorModel,
    vectors_column,
    writing_vector_file,
)
from clipd.store.vectors import KeptVector, page_of

_SLICE = 2048  # photos that are held at once
_COPY_BYTES = 1 << 20
_USUAL_BYTES = 200  # of a photo besides its vector, to tell whether there is room

# Weights that were changed make another model of the same name: then the one in use, or the newest.
_MODELS = (
    "SELECT id, name, fingerprint, dim, left_at IS NULL FROM models"
    " ORDER BY left_at IS NULL DESC, id DESC"
)
_COUNT = (
    "SELECT count(*) FROM vectors JOIN photos ON photos.id = photo_id"
    " WHERE model_id = ? AND live > 0"
)
_PAGE = """
    SELECT vectors.photo_id, vector, checksum, content_hash, width, height, format, taken_at,
        sharpness
    FROM vectors JOIN photos ON photos.id = vectors.photo_id
    LEFT JOIN meta ON meta.photo_id = vectors.photo_id
    WHERE model_id = ? AND live > 0 AND vectors.photo_id > ? ORDER BY vectors.photo_id LIMIT ?
"""
# Without the paths that are set aside: another volume lies in their place (rows.aside_folder).
# Nor those with numbers that only a file system gone wrong has (rows.stored).
_FILES = """
    SELECT photo_id, folder, name, size_bytes, mtime_ns FROM paths
    WHERE photo_id IN (SELECT value FROM json_each(?)) AND gone_at IS NULL
        AND substr(folder, 1, 1) <> x'00'
        AND typeof(size_bytes) = 'integer' AND typeof(mtime_ns) = 'integer'
    ORDER BY photo_id, id
"""


@dataclass(frozen=True, slots=True)
class Export:
    """What went into a file."""

    model: VectorModel
    photos: int
    files: int
    damaged: int  # vectors that were left out


def export_vectors(
    catalog: Path,
    file: Path,
    pretrained: Callable[[str], str],
    progress: Callable[[int, int], None],
    model: str | None = None,
) -> Export:
    """Write the vectors of a model into a file, which is there whole or not at all.

    Args:
        catalog: the file of the catalog.
        file: what is written, or replaced.
        pretrained: returns open_clip's tag for a model's fingerprint, "" where it is not known.
        progress: called with the bytes of vectors that are written, and those in all.
        model: its name or its fingerprint; None: the one in use.

    Raises:
        VectorFileError: there is no such model, nothing to export, or no room.
        StoreError: the catalog cannot be read.
    """
    _insist_on_files(catalog, file)
    with (
        closing(CatalogReader(catalog)) as reader,
        reader.connections.lent() as connection,
        _one_moment(connection, catalog),
        _writing(file) as stream,
    ):
        model_id, name, fingerprint, dim = _chosen(connection, catalog, model)
        photos = connection.execute(_COUNT, (model_id,)).fetchone()[0]
        if not photos:
            raise _nothing_of(name, catalog)
        about = VectorModel(name, pretrained(fingerprint), fingerprint, dim)
        _insist_on_room(file, photos * (2 * dim + _USUAL_BYTES))
        folder = file.absolute().parent
        with writing_vector_file(stream) as writer, _small_columns(folder) as columns:
            progress(0, photos * 2 * dim)
            photo_pass = _PhotoPass(connection, model_id, dim, columns)
            pieces = photo_pass.vectors(lambda done: progress(done * 2 * dim, photos * 2 * dim))
            writer.put(vectors_column(dim), photos, pieces)
            columns.move_into(writer)
            writer.put_about(about, photos, columns.files)
        return Export(about, photos - photo_pass.damaged, columns.files, photo_pass.damaged)


def _chosen(
    connection: sqlite3.Connection, catalog: Path, model: str | None
) -> tuple[int, str, str, int]:
    """Return id, name, fingerprint and dimensions of a model."""
    known = connection.execute(_MODELS).fetchall()
    for number, name, fingerprint, dim, is_used in known:
        if is_used if model is None else model in (name, fingerprint):
            return number, name, fingerprint, dim
    if model is None:
        raise _nothing_of("the model in use", catalog)
    names = list(dict.fromkeys(name for _, name, *_ in known))
    advice = f"there are those of: {', '.join(names)}" if names else "nor of another"
    raise VectorFileError(f"the catalog {catalog} has no vectors of a model {model!r}; {advice}")


def _nothing_of(name: str, catalog: Path) -> VectorFileError:
    return VectorFileError(
        f"the catalog {catalog} has no vectors of {name} yet; see how far clipd is: clipctl status"
    )


class _PhotoPass:
    """One pass over the photos of a model."""

    def __init__(
        self, connection: sqlite3.Connection, model: int, dim: int, columns: _SmallColumns
    ) -> None:
        self._connection = connection
        self._model = model
        self._dim = dim
        self._columns = columns
        self.damaged = 0

    def vectors(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        """Return the vectors, zeros for those that are damaged; the rest goes to the columns."""
        for page in self._pages():
            kept = [KeptVector(*row[:3]) for row in page]
            damaged = set(page_of(kept, self._dim).damaged)
            self.damaged += len(damaged)
            nothing = bytes(2 * self._dim)
            yield b"".join(nothing if one.photo in damaged else one.blob for one in kept)
            ids = json.dumps([one.photo for one in kept])
            self._columns.add(page, self._connection.execute(_FILES, (ids,)).fetchall())
            progress(self._columns.photos)

    def _pages(self) -> Iterator[Sequence[Any]]:
        after = 0
        while page := self._connection.execute(_PAGE, (self._model, after, _SLICE)).fetchall():
            yield page
            after = page[-1][0]


class _SmallColumns:
    """Holds all columns but the vectors, which lie before them in the file, on disk for a while."""

    def __init__(self, spools: Mapping[Column, IO[bytes]]) -> None:
        self._spools = spools
        self._path_bytes = 0
        self.photos = 0
        self.files = 0

    def add(self, page: Sequence[Any], files: Sequence[Any]) -> None:
        """Take a page of photos, and where they lie."""
        rows = {row[0]: number for number, row in enumerate(page, self.photos)}
        _, _, _, hashes, widths, heights, formats, taken, sharpness = zip(*page, strict=True)
        self._spools[HASHES].write(b"".join(hashes))
        self._put(WIDTHS, widths)
        self._put(HEIGHTS, heights)
        self._put(FORMATS, [text.encode("ascii", "replace") for text in formats])
        self._put(TAKEN, [text.encode("ascii", "replace") for text in taken])
        self._put(SHARPNESS, [np.nan if one is None else one for one in sharpness])
        self.photos += len(page)
        self._put(FILE_PHOTOS, [rows[photo] for photo, *_ in files])
        self._put(FILE_SIZES, [size for *_, size, _ in files])
        self._put(FILE_MTIMES, [mtime for *_, mtime in files])
        self._put_paths([os.path.join(folder, name) for _, folder, name, _, _ in files])
        self.files += len(files)

    def move_into(self, writer: VectorFileWriter) -> None:
        """Write the columns into the file."""
        for column, spool in self._spools.items():
            rows = spool.tell() // column.row_bytes
            spool.seek(0)
            writer.put(column, rows, iter(partial(spool.read, _COPY_BYTES), b""))

    def _put_paths(self, paths: Sequence[bytes]) -> None:
        lengths = [len(path) for path in paths]
        self._put(PATH_ENDS, self._path_bytes + np.cumsum(lengths, dtype=np.int64))
        self._spools[PATH_BYTES].write(b"".join(paths))
        self._path_bytes += sum(lengths)

    def _put(self, column: Column, values: Any) -> None:
        self._spools[column].write(np.asarray(values, column.dtype).tobytes())


@contextmanager
def _small_columns(folder: Path) -> Iterator[_SmallColumns]:
    columns = (*OF_PHOTOS, *OF_FILES, PATH_BYTES)
    with ExitStack() as opened:
        yield _SmallColumns(
            {column: opened.enter_context(tempfile.TemporaryFile(dir=folder)) for column in columns}
        )


@contextmanager
def _one_moment(connection: sqlite3.Connection, catalog: Path) -> Iterator[None]:
    """Read the catalog as it is now, whatever is written meanwhile."""
    connection.execute("BEGIN")
    try:
        version = schema.version_of(connection)
        if version != schema.SCHEMA:
            raise StoreError(
                f"the catalog {catalog} has schema {version}, and this clipd reads "
                f"{schema.SCHEMA}; start this clipd once, or use the one that wrote it"
            )
        yield
    finally:
        connection.execute("ROLLBACK")


@contextmanager
def _writing(file: Path) -> Iterator[BinaryIO]:
    try:
        with replacing(file) as stream:
            yield stream
    except OSError as error:
        raise VectorFileError(
            f"cannot write {file}: {error.strerror}; nothing is left of it, so name another place"
        ) from error


def _insist_on_files(catalog: Path, file: Path) -> None:
    if not catalog.exists():
        raise VectorFileError(
            f"there is no catalog at {catalog}, so there is nothing to export; "
            "have clipd look at photos first: clipd setup"
        )
    if file.exists() and not file.is_file():
        raise VectorFileError(f"{file} is no file that could be replaced; name another one")


def _insist_on_room(file: Path, needed_bytes: int) -> None:
    disk = os.statvfs(file.absolute().parent)
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < needed_bytes:
        raise VectorFileError(
            f"there is no room for {file}: it takes about {needed_bytes / 1e6:,.0f} MB, and "
            f"{free_bytes / 1e6:,.0f} MB are free; free some space, or name another disk"
        )
