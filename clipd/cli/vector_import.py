"""``clipd vectors import``: through the daemon where it runs, else into the catalog itself."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from clipd.config.folders import Paths
from clipd.config.options import ModelConfig
from clipd.ctl.client import Client
from clipd.errors import NotRunningError
from clipd.json_types import JsonObject
from clipd.store.vector_file import PortablePhoto, VectorModel
from clipd.store.vector_file_reader import VectorFile, reading_vector_file
from clipd.store.vector_intake import Imported, insist_on_model, sound_photos, take_in

_PAGE = 500  # photos in one request, or in one transaction: a twentieth of a second

TakeIn: TypeAlias = Callable[[Sequence[PortablePhoto]], Imported]
Progress: TypeAlias = Callable[[int, int], None]


def import_vectors(
    file: Path, configured: ModelConfig, paths: Paths, progress: Progress
) -> Imported:
    """Take in all that a file of vectors holds.

    The file is read twice: nothing is taken in of one that is damaged.

    Args:
        configured: the model that counts as in use where no daemon runs.
        paths: whose catalog.
        progress: called with the bytes of vectors that were read, and those that are to be.

    Raises:
        ClipdError: it is no such file, of another model, or the catalog cannot be had. What was
            taken in until then stays; to import again goes on there.
    """
    with reading_vector_file(file) as source:
        size = 2 * source.model.dim
        total = 2 * source.photos * size
        progress(0, total)
        source.check(lambda photos: progress(photos * size, total))
        with _receiving(source.model, configured, paths) as receive:
            return _take_all(
                source, receive, lambda photos: progress(total // 2 + photos * size, total)
            )


def _take_all(source: VectorFile, receive: TakeIn, progress: Callable[[int], None]) -> Imported:
    done, found = 0, Imported()
    for page in source.pages(_PAGE, with_files=True):
        sound, refused = sound_photos(page, source.model.dim)
        found += receive(sound) + Imported(refused=refused)
        done += len(page)
        progress(done)
    return found


@contextmanager
def _receiving(model: VectorModel, configured: ModelConfig, paths: Paths) -> Iterator[TakeIn]:
    """Find whoever writes the catalog: the daemon, or nobody, and then this process."""
    client = Client(paths.socket)
    with ExitStack() as held:
        try:
            client.post("/v1/vectors", _question(model, ()))  # a first word: is the model right?
        except NotRunningError:
            yield held.enter_context(_catalog(model, configured, paths))
        else:
            yield lambda photos: _read(client.post("/v1/vectors", _question(model, photos)))


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
                model_id = catalog.use_model(in_use, int(time.time()))

            def receive(photos: Sequence[PortablePhoto]) -> Imported:
                with catalog.writing():
                    return take_in(catalog, model_id, photos)

            yield receive


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
    return told if photo.sharpness is None else told | {"sharpness": photo.sharpness}


def _read(answer: JsonObject) -> Imported:
    taken, known, refused = answer["taken"], answer["known"], answer["refused"]
    assert isinstance(taken, int)
    assert isinstance(known, int)
    assert isinstance(refused, list)
    return Imported(taken, known, tuple(map(str, refused)))
