"""What travels between the driver of a bulk run and those that encode for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipd.config.options import DecoderConfig, EncoderConfig, ModelConfig
from clipd.photo import FailureKind
from clipd.store.vector_file import PortableFile, PortablePhoto

# Whoever is tried again sees another world: what may be the machine's fault is done anew by the
# next run, and the rest only when the file changes.
_PASSING: frozenset[FailureKind] = frozenset(
    ("unreadable", "missing", "crash", "timeout", "memory", "encode")
)
_UNREACHED: frozenset[FailureKind] = frozenset(("unreadable", "missing"))


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file without a vector, and why."""

    file: PortableFile
    kind: FailureKind
    reason: str  # one sentence without the path

    @property
    def is_passing(self) -> bool:
        """Whether the next run tries it again."""
        return self.kind in _PASSING

    @property
    def is_unreached(self) -> bool:
        """Whether its content was never seen, so that the fault may be that of a disk."""
        return self.kind in _UNREACHED


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that are given to one actor at once."""

    files: tuple[PortableFile, ...]
    is_suspect: bool = False  # whoever had it died
    deaths_alone: int = 0  # of those that had this one file and nothing else


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of the files of a batch: each is in one of the two, unless there is a problem."""

    photos: tuple[PortablePhoto, ...] = ()
    refused: tuple[RefusedFile, ...] = ()
    problem: str = ""  # why nothing can be encoded there, whatever the files are


@dataclass(frozen=True, slots=True)
class ActorOrder:
    """What an actor has to know before it can encode."""

    version: str  # of clipd
    model: ModelConfig
    fingerprint: str
    decoder: DecoderConfig
    encoder: EncoderConfig
    folders: tuple[bytes, ...]  # that have to be there


@dataclass(frozen=True, slots=True)
class ActorHello:
    """What an actor says of the place where it finds itself."""

    host: str
    asks_for_token: bool


@dataclass(frozen=True, slots=True)
class ActorState:
    """Whether an actor can work."""

    device: str = ""  # such as "cpu, openvino, fp32"
    problem: str = field(default="", kw_only=True)  # why not, as a sentence
