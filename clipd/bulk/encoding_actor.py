"""What runs on a node of the cluster: sealed decoders and one encoder, as in the daemon.

Nothing here names Ray, whose workers import this module by its name: clipd has to be installed on
every node, and no code travels.
"""

from __future__ import annotations

import fcntl
import os
import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from clipd import __version__
from clipd.bulk.batch import ActorHello, ActorOrder, ActorState, Batch, BatchResult, RefusedFile
from clipd.config.folders import Paths
from clipd.decode.pool import DecodeJob, DecoderPool
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.encode.portions import Portion, Portions
from clipd.errors import ClipdError, EncodeError
from clipd.photo import Decoded, ModelSpec, Refused
from clipd.store.vector_file import PortableFile, PortablePhoto
from clipd.store.vectors import pack
from clipd.watch.root import is_within

_SECRETS: Final = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

Outcome: TypeAlias = tuple[PortableFile, Decoded | Refused]
Answers: TypeAlias = "queue.SimpleQueue[Outcome]"


class EncodingActor:
    """Encodes batches of files. Two calls at once are of use: one decodes, one encodes."""

    def __init__(self, asks_for_token: bool) -> None:
        """Do nothing yet: what `prepare` finds out can be told, a failure to start cannot."""
        self._hello = ActorHello(socket.gethostname(), asks_for_token)
        self._encoding = threading.Lock()  # held during a call to `_portions`
        self._asking = threading.Lock()  # guards the next two
        self._tickets = count()
        self._asked: dict[int, tuple[PortableFile, Answers]] = {}
        self._folders: tuple[bytes, ...] = ()

    def hello(self) -> ActorHello:
        """Say where this is."""
        return self._hello

    def prepare(self, order: ActorOrder) -> ActorState:
        """Start the encoder and try it; say what keeps it from working, if anything does."""
        if order.version != __version__:
            return ActorState(problem=f"it has clipd {__version__}, and here it is {order.version}")
        for folder in order.folders:
            if not os.path.isdir(folder):
                name = os.fsdecode(folder)
                return ActorState(problem=f"{name} is not there; mount it at the same place")
        paths = Paths.of()
        try:
            paths.make()
            spec = resolve(order.model, paths.models, paths.cache)
        except ClipdError as error:
            return ActorState(problem=str(error))
        if spec.fingerprint != order.fingerprint:
            return ActorState(
                problem=f"its weights of {spec.name} are others ({spec.fingerprint[:12]}) than "
                f"those here ({order.fingerprint[:12]}); fetch them again: clipd model fetch"
            )
        return self._start(order, spec, paths)

    def encode(self, batch: Batch) -> BatchResult:
        """Decode and encode files."""
        decoded: list[tuple[PortableFile, Decoded]] = []
        refused: list[RefusedFile] = []
        for file, outcome in self._decoded(batch.files):
            if isinstance(outcome, Refused):
                refused.append(RefusedFile(file, outcome.kind, outcome.reason))
            else:
                decoded.append((file, outcome))
        if not decoded:
            return BatchResult(refused=tuple(refused))
        photos: list[PortablePhoto] = []
        pixels = np.stack([each.pixels for _, each in decoded if each.pixels is not None])
        try:
            with self._encoding:
                for portion in self._portions.encode(pixels):
                    _sort_out(decoded[portion.rows], portion, photos, refused)
        except EncodeError as error:
            return BatchResult(problem=str(error))
        return BatchResult(tuple(photos), tuple(refused))

    def _start(self, order: ActorOrder, spec: ModelSpec, paths: Paths) -> ActorState:
        self._folders = order.folders
        # The children have no use for what opens the cluster, and decode strangers' files.
        for secret in _SECRETS:
            os.environ.pop(secret, None)
        self._pool = DecoderPool(order.decoder, spec.preprocess, lambda _: False, self._report)
        # int8 is left alone: what agrees with a few photos here may not there.
        self._encoder = Encoder(spec, order.encoder, paths.cache, may_try=lambda: False)
        self._portions = Portions(self._encoder, order.encoder.batch)
        side = spec.preprocess.side
        try:
            # Of all actors on a machine the first converts the model, and the others find it.
            with _alone_here(paths.cache / "bulk.lock"):
                self._encoder.encode_images(np.full((1, side, side, 3), 128, np.uint8))
        except (EncodeError, OSError) as error:
            return ActorState(problem=str(error))
        status = self._encoder.status()
        return ActorState(f"{status.device}, {status.runtime}, {status.precision}")

    def _decoded(self, files: Sequence[PortableFile]) -> Iterator[Outcome]:
        """Have files decoded, all at once; yield what became of them in any order."""
        answers: Answers = queue.SimpleQueue()
        with self._asking:
            tickets = [next(self._tickets) for _ in files]
            self._asked |= {
                ticket: (file, answers) for ticket, file in zip(tickets, files, strict=True)
            }
        for ticket, file in zip(tickets, files, strict=True):
            self._pool.submit(DecodeJob(ticket, file.path, self._root_of(file.path)))
        for _ in files:
            yield answers.get()

    def _report(self, job: DecodeJob, outcome: Decoded | Refused) -> None:
        with self._asking:
            file, answers = self._asked.pop(job.ticket)
        answers.put((file, outcome))

    def _root_of(self, path: bytes) -> int:
        """Return the number of the folder that a file lies in: a disk that hangs harms only its."""
        numbered = enumerate(self._folders)
        return next((number for number, folder in numbered if is_within(path, folder)), -1)


def _sort_out(
    decoded: Sequence[tuple[PortableFile, Decoded]],
    portion: Portion,
    photos: list[PortablePhoto],
    refused: list[RefusedFile],
) -> None:
    for (file, each), vector in zip(decoded, portion.vectors, strict=True):
        if not np.isfinite(vector).all():
            refused.append(RefusedFile(file, portion.kind, portion.reason))
            continue
        try:
            packed = pack(vector)
        except EncodeError as error:
            refused.append(RefusedFile(file, "encode", str(error)))
        else:
            photos.append(_portable(file, each, packed))


def _portable(file: PortableFile, decoded: Decoded, vector: bytes) -> PortablePhoto:
    seen = decoded.fingerprint  # it may have changed since it was listed
    return PortablePhoto(
        decoded.content_hash,
        decoded.width,
        decoded.height,
        decoded.format,
        decoded.meta.taken,
        decoded.meta.sharpness,
        vector,
        (PortableFile(file.path, seen.size_bytes, seen.mtime_ns),),
    )


@contextmanager
def _alone_here(file: Path) -> Iterator[None]:
    """Let one process of this machine and user in after the other."""
    with open(file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
