"""The configuration: what can be set, its defaults, units and limits.

Every field carries the line of ``config.example.toml`` that explains it: ``why``.
``load`` reads these classes from TOML, ``render`` writes them.
"""

# ruff: noqa: RUF009 (a default made by a call: _key only wraps the value, which is immutable)

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

Duration = Annotated[float, "duration"]  # seconds; written "250ms", "5s", "15m", "1h", "30d"
Size = Annotated[int, "size"]  # bytes; written "64MiB", "2GiB"

_Value = TypeVar("_Value")


def _key(
    default: _Value,
    why: str,
    *,
    least: float | None = None,
    most: float | None = None,
    example: str = "",
) -> _Value:
    # Typed as the value itself: a dataclass field looks like its default to a type checker.
    value: _Value = field(
        default=default,
        metadata={"why": why, "least": least, "most": most, "example": example},
    )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class RootConfig:
    """A folder to watch, with everything below it. Write one [[roots]] for each."""

    path: Path = field(
        metadata={"why": "Where it is. It may be on a drive that is not always plugged in."}
    )
    exclude: tuple[str, ...] = _key(
        (), 'What to leave out below it, as in .gitignore: ["*.tmp", "/Private/"].'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which CLIP turns pictures and words into vectors."""

    name: str = _key(
        "ViT-B-32-256",
        "A preset of `clipd model list`, or an open_clip architecture. Changing it encodes anew.",
    )
    pretrained: str = _key(
        "", "Which weights of an open_clip architecture; empty: those of the preset."
    )
    checkpoint: Path | None = _key(
        None,
        "A file of weights for that architecture, instead of fetching them.",
        example="~/models/clip.safetensors",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """How changes on disk are noticed."""

    settle: Duration = _key(
        0.3, "Quiet time before a changed file is read, so that it is whole.", least=0, most=60
    )
    settle_max: Duration = _key(
        30.0, "A file that never gets quiet is read after this long.", least=0.1, most=3600
    )
    scan_every: Duration = _key(
        3600.0, "How often all folders are compared with the catalog: events get lost.", least=0.1
    )
    poll_every: Duration = _key(
        300.0,
        "The same for folders without events (NFS, SMB, FUSE) or beyond the watch limit.",
        least=0.1,
    )
    hidden: bool = _key(False, "Whether files and folders whose name starts with a dot count.")
    follow_symlinks: bool = _key(
        False, "Whether symlinks are followed. Off, a photo is never found twice."
    )
    exclude: tuple[str, ...] = _key(
        (), 'What to leave out in every root, as in .gitignore: ["*.tmp", "Trash/"].'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """The sandboxed processes that turn files into pixels."""

    processes: int = _key(0, "How many at once; 0: one per core, 8 at most.", least=0, most=64)
    timeout: Duration = _key(
        30.0, "Time for one file; over it, the decoder is killed.", least=0.1, most=600
    )
    memory: Size = _key(
        2 << 30,
        "Address space of one decoder, so that a hostile file cannot take it all.",
        least=256 << 20,
    )
    max_pixels: int = _key(
        200_000_000, "Larger pictures are refused before they are decoded; in pixels.", least=1
    )
    max_file: Size = _key(2 << 30, "Larger files are refused before they are read.", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The process that holds the model."""

    device: Literal["auto", "cpu", "cuda"] = _key(
        "auto", "Where the model runs; auto: a CUDA GPU when there is one."
    )
    runtime: Literal["auto", "torch"] = _key(
        "auto", "What computes it; auto: OpenVINO on a CPU, where it works, otherwise torch."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = _key(
        "auto", "How numbers are held; auto: the fastest that agrees with fp32."
    )
    batch: int = _key(
        32, "Photos in one forward pass. Halved by itself when memory is short.", least=1, most=1024
    )
    threads: int = _key(0, "CPU threads of the model; 0: chosen from the cores.", least=0, most=256)
    idle_unload: Duration = _key(
        300.0, "The model leaves memory (about 1 GB) after this long without work.", least=0
    )
    socket: Path | None = _key(
        None,
        "Behind which another machine encodes; `clipd setup --encoder HOST` makes and sets it.",
        example="/run/user/1000/clipd-encoder/desktop.sock",
    )
    fallback: Literal["none", "local"] = _key(
        "none", "While that machine is away: local encodes queries here, none lets them fail."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """The vector index."""

    kind: Literal["auto", "fp16", "flat", "ivf", "milvus"] = _key(
        "auto", "auto: exact up to exact_up_to, then ivf; milvus: at uri."
    )
    exact_up_to: int = _key(
        500_000, "With how many photos auto compares a query, with every one.", least=1
    )
    nprobe: int = _key(
        0, "How many lists a search reads; 0: as many as find .98 of the ten best.", least=0
    )
    uri: str = _key(
        "", "Where Milvus is: unix:/its.sock, or a folder for Milvus Lite (docs/milvus.md)."
    )
    token_file: Path | None = _key(
        None, "A file with Milvus's user:password.", example="~/.config/clipd/milvus.token"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """The catalog."""

    keep: Duration = _key(
        30 * 86400.0, "A deleted photo is remembered this long: an undo costs nothing.", least=0
    )
    backup_every: Duration = _key(
        86400.0, "How often the catalog is copied, to be restored when damaged.", least=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """Defaults of a search."""

    limit: int = _key(20, "How many photos are shown.", least=1, most=1000)
    min_score: float = _key(
        -1.0, "Photos with a lower score (cosine) are left out; -1: none.", least=-1, most=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Limits of the socket that clipctl talks to."""

    max_connections: int = _key(64, "More than this at once are refused.", least=1, most=10_000)
    max_body: Size = _key(64 << 20, "The largest request, such as an uploaded picture.", least=1024)
    timeout: Duration = _key(30.0, "Time for a client to send its request.", least=0.1, most=3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConfig:
    """Manners on a laptop."""

    on_battery: Literal["rest", "work"] = _key(
        "rest", "On battery: rest leaves new photos waiting for mains power, work does not."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, as read from one TOML file."""

    roots: tuple[RootConfig, ...] = ()
    model: ModelConfig = field(default_factory=ModelConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    serve: ServeConfig = field(default_factory=ServeConfig)
    power: PowerConfig = field(default_factory=PowerConfig)
