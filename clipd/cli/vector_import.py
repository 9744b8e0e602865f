"""``clipd vectors import``: through the daemon where it runs, else into the catalog itself."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeAlias

from clipd.config.folders import Paths
from clipd.config.options import ModelConfig
from clipd.ctl.client import Client
from clipd.errors import NotRunningError, RequestError
from clipd.json_types import JsonObject
from clipd.store.vector_file import PortableFile, PortablePhoto, VectorModel
from clipd.store.vector_file_reader import reading_vector_file
from clipd.store.vector_intake import Imported, insist_on_model, sound_photos, take_in

_PAGE = 500  # photos in one request, or in one transaction: a twentieth of a second
_UNSURE_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 0.5

TakeIn: TypeAlias = Callable[[Sequence[PortablePhoto]], Imported]
Progress: TypeAlias = Callable[[int, int], None]
Moves: TypeAlias = Mapping[bytes, bytes]  # folders there, and where they lie here


class VectorSource(Protocol):
    """A file of vectors, or a folder of parts of one."""

    @property
    def model(self) -> VectorModel:
        """What made the vectors."""

    @property
    def photos(self) -> int:
        """How many there are."""

    def check(self, progress: Callable[[int], None]) -> None:
        """Read all of it; see `VectorFile`."""

    def pages(self, size: int, *, with_files: bool) -> Iterator[tuple[PortablePhoto, ...]]:
        """Return the photos, so many at a time; see `VectorFile`."""


def import_vectors(
    file: Path,
    configured: ModelConfig,
    paths: Paths,
    trusted: Moves | None,
    progress: Progress,
) -> Imported:
    """Take in all that a file of vectors, or a folder of parts, holds.

    The file is read twice: nothing is taken in of one that is damaged.

    Args:
        configured: the model that counts as in use where no daemon runs.
        paths: whose catalog.
        trusted: have files that lie at the same paths, but for these folders, and have the same
            sizes and times taken for the same photos, unread; None: no file is.
        progress: called with the bytes of vectors that were read, and those that are to be.

    Raises:
        ClipdError: it is no such file, of another model, or the catalog cannot be had. What was
            taken in until then stays; to import again goes on there.
    """
    with _reading(file) as source:
        size = 2 * source.model.dim
        total = 2 * source.photos * size
        progress(0, total)
        source.check(lambda photos: progress(photos * size, total))
        with _receiving(
            source.model, configured, paths, is_trusting=trusted is not None
        ) as receive:

            def receive_files_too(photos: Sequence[PortablePhoto]) -> Imported:
                return receive([_with_files(photo, trusted) for photo in photos])

            return _take_all(
                source,
                receive_files_too,
                lambda photos: progress(total // 2 + photos * size, total),
            )


@contextmanager
def _reading(file: Path) -> Iterator[VectorSource]:
    """Open what an export or a bulk run has made."""
    if not file.is_dir():
        with reading_vector_file(file) as opened:
            yield opened
        return
    from clipd.bulk.part_source import reading_parts

    with reading_parts(file) as parts:
        yield parts


def _with_files(photo: PortablePhoto, trusted: Moves | None) -> PortablePhoto:
    """Return a photo with its files as they are called here, or without."""
    if trusted is None:
        return replace(photo, files=())
    files = (replace(file, path=_moved(file.path, trusted)) for file in photo.files)
    return replace(photo, files=tuple(files))


def _moved(path: bytes, moves: Moves) -> bytes:
    """Return a path with the longest of the folders that it lies in replaced."""
    for there in sorted(moves, key=len, reverse=True):
        if path.startswith(there + b"/"):
            return moves[there] + path[len(there) :]
    return path


def _take_all(source: VectorSource, receive: TakeIn, progress: Callable[[int], None]) -> Imported:
    done, found = 0, Imported()
    for page in source.pages(_PAGE, with_files=True):
        sound, refused = sound_photos(page, source.model.dim)
        found += receive(sound) + refused
        done += len(page)
        progress(done)
    return found


@contextmanager
def _receiving(
    model: VectorModel, configured: ModelConfig, paths: Paths, *, is_trusting: bool
) -> Iterator[TakeIn]:
    """Find whoever writes the catalog: the daemon, or nobody, and then this process."""
    client = Client(paths.socket)
    with ExitStack() as held:
        try:
            client.post("/v1/vectors", _question(model, ()))  # a first word: is the model right?
        except NotRunningError as error:
            if is_trusting:
                raise NotRunningError(
                    f"{error} (--trust takes a clipd that runs: it knows which folders are there)"
                ) from error
            yield held.enter_context(_catalog(model, configured, paths))
        else:
            yield lambda photos: _read(_told(client, _question(model, photos)))


@contextmanager
def _catalog(model: VectorModel, configured: ModelConfig, paths: Paths) -> Iterator[TakeIn]:
    from clipd.daemon.instance import single_instance
    from clipd.encode.models import resolve
    from clipd.store.backup import open_catalog

    paths.make()
    # Where its weights are not here, nobody can tell whether the vectors are its own.
    in_use = resolve(configured, paths.models, paths.cache)
    insist_on_model(model.name, model.fingerprint, in_use)
    # With the lock of a daemon, so that none starts meanwhile and becomes a second writer.
    with single_instance(paths.state / "lock"):
        catalog, _ = open_catalog(paths.state, time.time())
        with closing(catalog):
            with catalog.writing():
                model_id = catalog.prepare_model(in_use, int(time.time()))

            def receive(photos: Sequence[PortablePhoto]) -> Imported:
                with catalog.writing():
                    return take_in(catalog, model_id, photos)

            yield receive


def _told(client: Client, question: JsonObject) -> JsonObject:
    """Ask, and ask again while clipd is finding out which disks are there, as after a start."""
    deadline = time.monotonic() + _UNSURE_SECONDS
    while True:
        try:
            return client.post("/v1/vectors", question)
        except RequestError as error:
            if error.code != "unsure" or time.monotonic() > deadline:
                raise
        threading.Event().wait(_ASK_AGAIN_SECONDS)


def _question(model: VectorModel, photos: Sequence[PortablePhoto]) -> JsonObject:
    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "photos": [_photo_json(photo) for photo in photos],
    }


def _photo_json(photo: PortablePhoto) -> JsonObject:
    told: JsonObject = {
        "hash": base64.b64encode(photo.content_hash).decode("ascii"),
        "vector": base64.b64encode(photo.vector).decode("ascii"),
        "width": photo.width,
        "height": photo.height,
        "format": photo.format,
        "taken": photo.taken_at,
    }
    if photo.sharpness is not None:
        told["sharpness"] = photo.sharpness
    if photo.files:
        told["files"] = [_file_json(file) for file in photo.files]
    return told


def _file_json(file: PortableFile) -> JsonObject:
    path = base64.b64encode(file.path).decode("ascii")
    return {"path_b64": path, "size": file.size_bytes, "mtime_ns": file.mtime_ns}


def _read(answer: JsonObject) -> Imported:
    counts = (int(str(answer[key])) for key in ("taken", "known", "placed", "refused"))
    taken, known, placed, refused = counts
    reasons = answer["reasons"]
    assert isinstance(reasons, list)
    return Imported(taken, known, placed, refused, tuple(map(str, reasons)))
