"""One bulk run, from the folders to the last part."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clipd import __version__
from clipd.bulk.arrow_library import insist_on_pyarrow
from clipd.bulk.batch import ActorOrder, BatchResult, RefusedFile
from clipd.bulk.crew import Crew, Staffing, staffing
from clipd.bulk.part_folder import MOST_ROWS, PartFolder, writing_parts
from clipd.bulk.photo_count import counting
from clipd.bulk.photo_list import PhotoList
from clipd.bulk.ray_library import (
    connected,
    head_address,
    insist_on_listener,
    insist_on_ray,
    insist_on_trust,
)
from clipd.bulk.workload import Workload
from clipd.config.folders import Paths
from clipd.config.options import Config, ModelConfig
from clipd.encode.models import resolve
from clipd.photo import ModelSpec
from clipd.store.vector_file import PortableFile

_SHOW_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """What is to be encoded, where, and into what."""

    where: str  # "local", or "ray://HEAD"
    folders: tuple[Path, ...]
    out: Path
    actors: int = 0  # 0: as the cluster has GPUs, or machines
    is_trusting: bool = False  # no token and no TLS will do
    part_photos: int = MOST_ROWS  # after which a part is written


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How far a run is."""

    encoded: int = 0  # by this run
    refused: int = 0  # by this run
    known: int = 0  # done by earlier runs
    total: int | None = None  # files in all; None: they are still being counted
    seconds: float = 0.0  # since the first actor could work
    actors: int = 0  # that can work
    lost: int = 0  # actors that died
    devices: tuple[str, ...] = ()
    parts: int = 0  # written by this run
    new_part: str = ""  # the name of one that has just been written

    @property
    def rate(self) -> float:
        """Files a second, encoded or refused."""
        return (self.encoded + self.refused) / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take; None while nobody knows."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.known - self.encoded - self.refused) / self.rate


Show = Callable[[BulkProgress], object]


def encode_in_bulk(
    request: BulkRequest,
    config: Config,
    model: ModelConfig,
    show: Show,
    say: Callable[[str], object],
    stop: threading.Event,
) -> BulkProgress:
    """Encode all photos below some folders that no part has yet.

    For a thread beside the main one: see `connected`.

    Args:
        config: what is left out, and limits.
        model: as the nodes, too, are to find it.
        show: told twice a second how far it is, and of every part.
        say: told a sentence that people should see.
        stop: set when somebody has had enough.

    Raises:
        BulkError: it cannot start, or cannot go on; the parts stay.
        ClipdError: the model is not here.
        KeyboardInterrupt: it was stopped; what was encoded is in a part.
    """
    # What is told at once comes first, and what a model or old parts take to be read last.
    address = head_address(request.where)
    photos = PhotoList(config, request.folders)
    if address and not request.is_trusting:
        insist_on_trust(address)
    insist_on_pyarrow()
    insist_on_ray(address)
    if address:
        insist_on_listener(address)
    spec = _resolved(model)
    with ExitStack() as running:
        parts = running.enter_context(writing_parts(request.out, spec, request.part_photos))
        files = _Files(photos, parts, stop)
        workload = Workload(files.to_do(), config.encoder.batch)
        count = running.enter_context(counting(photos))
        run = _Run(parts, files, workload, count.total, show, stop)
        if workload.is_empty():
            return run.end()
        cluster = running.enter_context(connected(address))
        staff = staffing(cluster.nodes(), request.actors)
        order = _order(config, model, spec, photos, staff)
        is_trusting = request.is_trusting or not address
        crew = Crew(cluster, staff, order, workload, say, is_trusting=is_trusting)
        return run.go(running.enter_context(crew))


class _Files:
    """The files to do, as they are listed."""

    def __init__(self, photos: PhotoList, parts: PartFolder, stop: threading.Event) -> None:
        self._photos = photos
        self._parts = parts
        self._stop = stop
        self.known = 0
        self.unlisted: list[RefusedFile] = []  # that could not even be looked at

    def to_do(self) -> Iterator[PortableFile]:
        for file in self._photos.files(self.unlisted.append):
            _insist_on_going_on(self._stop)  # many may be known, one after the other
            if self._parts.knows(file):
                self.known += 1
            else:
                yield file


class _Run:
    """The loop of the driver."""

    def __init__(
        self,
        parts: PartFolder,
        files: _Files,
        workload: Workload,
        total: Callable[[], int | None],
        show: Show,
        stop: threading.Event,
    ) -> None:
        self._parts = parts
        self._stop = stop
        self._files = files
        self._workload = workload
        self._crew: Crew | None = None
        self._total = total
        self._show = show
        self._progress = BulkProgress()
        self._begun = 0.0  # 0: nobody can work yet
        self._shown_at = 0.0

    def go(self, crew: Crew) -> BulkProgress:
        """Encode everything."""
        self._crew = crew
        try:
            while not self._workload.is_done:
                _insist_on_going_on(self._stop)
                for result in crew.results():
                    self._take(result)
                self._take_unlisted()
                if self._parts.is_due:
                    self._publish()
                self._tell()
        finally:
            # Also when the cluster is gone, or somebody has had enough: it was paid for.
            self._publish()
        return self._progress

    def end(self) -> BulkProgress:
        """Return how far it is where there is nothing to encode."""
        self._take_unlisted()
        self._publish()
        return self._progress

    def _take_unlisted(self) -> None:
        self._take(BatchResult(refused=tuple(self._files.unlisted)))
        self._files.unlisted.clear()

    def _take(self, result: BatchResult) -> None:
        self._parts.add(result.photos, result.refused)
        self._progress = replace(
            self._progress,
            encoded=self._progress.encoded + len(result.photos),
            refused=self._progress.refused + len(result.refused),
        )

    def _publish(self) -> None:
        name = self._parts.publish()
        self._note(name)
        if name:
            self._show(self._progress)
        self._progress = replace(self._progress, new_part="")

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._shown_at >= _SHOW_SECONDS:
            self._shown_at = now
            self._note("")
            self._show(self._progress)

    def _note(self, new_part: str) -> None:
        devices = self._crew.devices if self._crew else ()
        if devices and not self._begun:
            self._begun = time.monotonic()
        self._progress = replace(
            self._progress,
            known=self._files.known,
            total=self._total(),
            seconds=time.monotonic() - self._begun if self._begun else 0.0,
            actors=len(devices),
            lost=self._crew.lost if self._crew else 0,
            devices=devices or self._progress.devices,
            parts=self._parts.parts,
            new_part=new_part,
        )


def _insist_on_going_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt


def _resolved(model: ModelConfig) -> ModelSpec:
    paths = Paths.of()
    paths.make()
    return resolve(model, paths.models, paths.cache)


def _order(
    config: Config, model: ModelConfig, spec: ModelSpec, photos: PhotoList, staff: Staffing
) -> ActorOrder:
    decoder, encoder = config.decoder, config.encoder
    if staff.is_shared:  # one that has a machine alone chooses for itself, as the daemon does
        decoder = replace(decoder, processes=decoder.processes or staff.cpus)
        encoder = replace(encoder, threads=encoder.threads or staff.cpus)
    if model.checkpoint is not None:
        model = replace(model, checkpoint=model.checkpoint.expanduser().absolute())
    return ActorOrder(__version__, model, spec.fingerprint, decoder, encoder, photos.folders)
