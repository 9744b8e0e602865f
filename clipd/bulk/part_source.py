"""A folder of parts as a source of photos, for whoever takes vectors into a catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clipd.bulk.arrow_library import PartFile, insist_on_pyarrow
from clipd.bulk.part_folder import parts_in
from clipd.errors import VectorFileError
from clipd.store.vector_file import PortablePhoto

_SLICE = 2048  # rows that are read at once


class PartSource:
    """All parts of a folder, as one file of vectors would be. For one thread."""

    def __init__(self, folder: Path) -> None:
        """Read what the parts say of themselves.

        Raises:
            VectorFileError: there is none, one is damaged, or they are of several models.
        """
        try:
            self._parts = [part for _, part in parts_in(folder)]
        except OSError as error:
            raise VectorFileError(f"cannot read {folder}: {error.strerror}") from error
        if not self._parts:
            raise VectorFileError(
                f"{folder} holds no parts of a bulk run; make them: clipd bulk encode --help"
            )
        self.photos = 0
        for number, part in enumerate(self._parts):
            with PartFile(part) as opened:
                if number == 0:
                    self.model = opened.model
                elif opened.model.fingerprint != self.model.fingerprint:
                    raise VectorFileError(
                        f"{part} is of the model {opened.model.name}, and {self._parts[0].name} "
                        f"of {self.model.name}; keep each model's parts in a folder of their own"
                    )
                self.photos += opened.rows

    def check(self, progress: Callable[[int], None]) -> None:
        """Read all of it; every page is compared with its checksum on the way.

        Args:
            progress: called with the photos that were read so far.

        Raises:
            VectorFileError: a part is damaged.
        """
        done = 0
        for page in self.pages(_SLICE, with_files=False):
            done += len(page)
            progress(done)

    def pages(self, size: int, *, with_files: bool) -> Iterator[tuple[PortablePhoto, ...]]:
        """Yield the photos, so many at a time at most, each with its file whatever is asked for."""
        for part in self._parts:
            with PartFile(part) as opened:
                yield from opened.pages(size)


@contextmanager
def reading_parts(folder: Path) -> Iterator[PartSource]:
    """Open a folder of parts.

    Raises:
        BulkError: pyarrow is not installed.
        VectorFileError: it is no folder of parts, or cannot be read.
    """
    insist_on_pyarrow()
    yield PartSource(folder)
