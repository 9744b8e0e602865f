"""The folder that a bulk run fills: parts, each whole or not there, and a list of refusals."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clipd.bulk.arrow_library import PartFile, write_part
from clipd.bulk.batch import RefusedFile
from clipd.durable import replacing, write_durably
from clipd.errors import BulkError
from clipd.photo import ModelSpec
from clipd.store.vector_file import PortableFile, PortablePhoto, VectorModel

REFUSED: Final = "refused.jsonl"
MOST_ROWS: Final = 32_768  # of a part: 40 MB with 512 dimensions
MOST_SECONDS: Final = 60.0  # of work that a kill may cost
_LOCK: Final = ".lock"
_PART: Final = re.compile(r"part-(\d{5,})\.parquet")
_LEFT_BEHIND: Final = re.compile(r"\.(part-\d+\.parquet|refused\.jsonl)\.\w+\.tmp")


class PartFolder:
    """Takes photos, writes them in parts, and knows what earlier runs have done.

    For one thread. Made by `writing_parts`.
    """

    def __init__(self, folder: Path, spec: ModelSpec, most_rows: int) -> None:
        """Read what is done. The caller holds the lock of the folder."""
        self._most_rows = most_rows
        self._folder = folder
        self._model = VectorModel(spec.name, spec.pretrained, spec.fingerprint, spec.dim)
        self._photos: list[PortablePhoto] = []  # that are in no part yet
        self._refused: list[RefusedFile] = []  # that are in no list yet
        self._written_at = time.monotonic()
        self._next = 1 + max((number for number, _ in parts_in(folder)), default=-1)
        self._done = _sorted(self._files_done())
        self._known_refused = self._read_refused()
        self.parts = 0  # written by this run

    @property
    def is_due(self) -> bool:
        """Whether what was taken should not wait any longer for its part."""
        waited = time.monotonic() - self._written_at
        is_late = waited > MOST_SECONDS and bool(self._photos or self._refused)
        return len(self._photos) >= self._most_rows or is_late

    def knows(self, file: PortableFile) -> bool:
        """Whether an earlier run has encoded a file, or refused it for good."""
        digest = _digest(file)
        place = int(np.searchsorted(self._done, digest))
        is_done = place < len(self._done) and self._done[place] == digest
        return bool(is_done) or int(digest) in self._known_refused

    def add(self, photos: Sequence[PortablePhoto], refused: Sequence[RefusedFile]) -> None:
        """Take what became of files; it is safe once `publish` has returned."""
        self._photos += photos
        self._refused += refused

    def publish(self) -> str:
        """Write what was taken; return the name of the new part, "" where there are no photos.

        Raises:
            BulkError: it cannot be written.
        """
        name = ""
        try:
            if self._refused:
                self._append_refused()
            if self._photos:
                name = f"part-{self._next:05d}.parquet"
                with replacing(self._folder / name) as stream:
                    write_part(stream, self._model, self._photos)
        except OSError as error:
            raise BulkError(
                f"cannot write into {self._folder}: {error.strerror or error}; make room or mend "
                "it, and run the same command again: it goes on behind the last part"
            ) from error
        self._next += bool(name)
        self.parts += bool(name)
        self._photos.clear()
        self._written_at = time.monotonic()
        return name

    def _append_refused(self) -> None:
        lines = "".join(_line_of(refused) for refused in self._refused)
        with open(self._folder / REFUSED, "a", opener=_private) as stream:
            stream.write(lines)
            stream.flush()
            os.fsync(stream.fileno())
        self._refused.clear()

    def _files_done(self) -> Iterator[PortableFile]:
        for _, part in parts_in(self._folder):
            with PartFile(part) as opened:
                self._insist_on_model(opened.model)
                for path, size, mtime in opened.files():
                    yield PortableFile(path, size, mtime)

    def _insist_on_model(self, model: VectorModel) -> None:
        if model.fingerprint != self._model.fingerprint:
            raise BulkError(
                f"{self._folder} holds vectors of {model.name} ({model.fingerprint[:12]}), and "
                f"this run makes those of {self._model.name} ({self._model.fingerprint[:12]}); "
                "name another folder with --out"
            )

    def _read_refused(self) -> set[int]:
        """Return the files that were refused for good; forget the others, which are tried again."""
        file = self._folder / REFUSED
        if not file.exists():
            return set()
        lasting = [one for one in refused_in(file) if not one.is_passing]
        write_durably(file, "".join(map(_line_of, lasting)).encode())
        return {int(_digest(one.file)) for one in lasting}


def parts_in(folder: Path) -> list[tuple[int, Path]]:
    """Return the parts in a folder with their numbers, in their order."""
    found = [(_PART.fullmatch(file.name), file) for file in folder.iterdir()]
    return sorted((int(match[1]), file) for match, file in found if match)


def refused_in(file: Path) -> Iterator[RefusedFile]:
    """Yield the refusals that a file lists; a line that a kill has cut short is passed over."""
    for line in file.read_bytes().splitlines():
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            place = PortableFile(os.fsencode(told["path"]), told["size"], told["mtime_ns"])
            yield RefusedFile(place, told["kind"], told["reason"])


@contextmanager
def writing_parts(
    folder: Path, spec: ModelSpec, most_rows: int = MOST_ROWS
) -> Iterator[PartFolder]:
    """Hold a folder for one run; it is made unless it is there.

    Args:
        spec: what makes the vectors.
        most_rows: photos after which a part is written.

    Raises:
        BulkError: it cannot be written, is another run's, or holds vectors of another model.
        VectorFileError: a part in it is damaged.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BulkError(
            f"cannot write into {folder}: {error.strerror}; name another folder with --out"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BulkError(
                f"another bulk run writes into {folder}; wait for it, or name another --out"
            ) from error
        for file in folder.iterdir():
            if _LEFT_BEHIND.fullmatch(file.name):  # by a kill
                file.unlink(missing_ok=True)
        yield PartFolder(folder, spec, most_rows)
    finally:
        os.close(lock)


def _sorted(files: Iterator[PortableFile]) -> NDArray[np.uint64]:
    """Return the digests of files, 8 bytes each: fifty million take 400 MB, not ten times that."""
    return np.unique(np.fromiter(map(_digest, files), np.uint64))


def _digest(file: PortableFile) -> np.uint64:
    # Two of 50 million files share 64 bits once in 15,000 runs. The daemon encodes the one that
    # is passed over for it.
    text = b"%d %d %s" % (file.size_bytes, file.mtime_ns, file.path)
    return np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))


def _line_of(refused: RefusedFile) -> str:
    file = refused.file
    told = {
        "path": os.fsdecode(file.path),  # what is no UTF-8 in it is written as \udcXX
        "size": file.size_bytes,
        "mtime_ns": file.mtime_ns,
        "kind": refused.kind,
        "reason": refused.reason,
    }
    return json.dumps(told) + "\n"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
