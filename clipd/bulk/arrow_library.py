"""pyarrow, named here alone: a part is a Parquet file of photos and their vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from clipd.errors import BulkError, VectorFileError
from clipd.store.vector_file import PortableFile, PortablePhoto, VectorModel

FORMAT: Final = 1
_ABOUT: Final = b"clipd"
_MOST_DIM: Final = 1 << 14
_MOST_ROWS: Final = 8192  # of a row group
_HASH_BYTES: Final = 16


def insist_on_pyarrow() -> None:
    """Insist that parts can be written and read here.

    Raises:
        BulkError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise BulkError(
            f"this takes pyarrow ({error}); install it beside clipd: pip install 'clipd[ray]'"
        ) from error


def write_part(stream: BinaryIO, model: VectorModel, photos: Sequence[PortablePhoto]) -> None:
    """Write photos, each with the one file that it was read from, as a part.

    Raises:
        OSError: there is no room, or the disk gave an error.
    """
    import pyarrow as pa
    from pyarrow import parquet

    halves = np.frombuffer(b"".join(photo.vector for photo in photos), "<f2")
    files = [photo.files[0] for photo in photos]
    columns = [
        pa.array([photo.content_hash for photo in photos], pa.binary(_HASH_BYTES)),
        pa.array([file.path for file in files], pa.binary()),
        pa.array([file.size_bytes for file in files], pa.int64()),
        pa.array([file.mtime_ns for file in files], pa.int64()),
        pa.array([photo.width for photo in photos], pa.int32()),
        pa.array([photo.height for photo in photos], pa.int32()),
        pa.array([photo.format for photo in photos], pa.string()),
        pa.array([photo.taken_at for photo in photos], pa.string()),
        pa.array([photo.sharpness for photo in photos], pa.float64()),
        pa.FixedSizeListArray.from_arrays(pa.array(halves), model.dim),
    ]
    about = json.dumps({"format": FORMAT, "model": asdict(model)})
    schema = _schema(model.dim).with_metadata({_ABOUT: about.encode()})
    table = pa.Table.from_arrays(columns, schema=schema)
    # Half precision does not compress, and dictionaries of what never repeats cost time.
    parquet.write_table(
        table,
        stream,
        row_group_size=_MOST_ROWS,
        compression="none",
        use_dictionary=["format"],
        write_page_checksum=True,
    )


class PartFile:
    """A part that is open for reading. What it holds may be damaged, or no part at all."""

    def __init__(self, file: Path) -> None:
        """Read what the part says of itself.

        Raises:
            VectorFileError: it is no part, is damaged, or of another format.
        """
        from pyarrow import parquet

        self._file = file
        with _translating(file):
            self._parquet = parquet.ParquetFile(file, page_checksum_verification=True)
            try:
                self.model = self._model()
                schema = self._parquet.schema_arrow
                if not schema.equals(_schema(self.model.dim)):
                    raise ValueError("its columns are others")
                self.rows: int = self._parquet.metadata.num_rows
            except BaseException:
                self._parquet.close()
                raise

    def files(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield the path, size and time of change of every file."""
        columns = ["path", "size", "mtime_ns"]
        with _translating(self._file):
            for page in self._parquet.iter_batches(_MOST_ROWS, columns=columns):
                yield from zip(*(column.to_pylist() for column in page.columns), strict=True)

    def pages(self, size: int) -> Iterator[tuple[PortablePhoto, ...]]:
        """Yield the photos, so many at a time at most."""
        with _translating(self._file):
            for page in self._parquet.iter_batches(size):
                yield tuple(self._photos(page))

    def close(self) -> None:
        """Close the file."""
        self._parquet.close()

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _model(self) -> VectorModel:
        told = json.loads((self._parquet.schema_arrow.metadata or {})[_ABOUT])
        if told["format"] != FORMAT:
            raise VectorFileError(
                f"{self._file} is of format {told['format']!r}, and this clipd reads {FORMAT}; "
                "make it again with the version of clipd that is here"
            )
        model = told["model"]
        dim = int(model["dim"])
        if not 0 < dim <= _MOST_DIM:
            raise ValueError(f"vectors of {dim} numbers")
        texts = (str(model["name"]), str(model["pretrained"]), str(model["fingerprint"]))
        return VectorModel(*texts, dim)

    def _photos(self, page: Any) -> Iterator[PortablePhoto]:
        vectors = page.column("vector")
        may_lack = {"sharpness"}
        names = page.schema.names
        lacking = [name for name in names if page.column(name).null_count and name not in may_lack]
        values = vectors.flatten()
        if lacking or values.null_count:
            raise ValueError(f"values are missing in {', '.join(lacking) or 'vectors'}")
        halves = values.to_numpy().astype("<f2", copy=False).reshape(-1, self.model.dim)
        columns = [column.to_pylist() for column in page.columns[:-1]]
        for row, vector in zip(zip(*columns, strict=True), halves, strict=True):
            content_hash, path, size, mtime, width, height, format_, taken, sharpness = row
            file = PortableFile(path, size, mtime)
            rest = (content_hash, width, height, format_, taken, sharpness)
            yield PortablePhoto(*rest, vector.tobytes(), (file,))


def _schema(dim: int) -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            ("hash", pa.binary(_HASH_BYTES)),
            ("path", pa.binary()),
            ("size", pa.int64()),
            ("mtime_ns", pa.int64()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("format", pa.string()),
            ("taken", pa.string()),
            ("sharpness", pa.float64()),
            ("vector", pa.list_(pa.float16(), dim)),
        ]
    )


@contextmanager
def _translating(file: Path) -> Iterator[None]:
    """Turn what pyarrow complains of into ours."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise VectorFileError(
            f"{file} is damaged, or no part of a bulk run ({first}); delete it, and a run with "
            "the same --out does its photos again"
        ) from error
    except OSError as error:  # pyarrow raises it for what it cannot decompress or verify, too
        reason = error.strerror or str(error).splitlines()[0]
        raise VectorFileError(
            f"cannot read {file}: {reason}; delete it, and a run with the same --out does its "
            "photos again"
        ) from error
