"""The configuration: what can be set, its defaults and units.

Every field carries the line of ``config.example.toml`` that explains it (``why``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

Duration = Annotated[float, "duration"]  # seconds; written "250ms", "5s", "15m", "1h", "30d"
Size = Annotated[int, "size"]  # bytes; written "64MiB", "2GiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootConfig:
    """One watched folder."""

    path: Path
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which CLIP turns pictures and words into vectors."""

    name: str = "ViT-B-32-256"
    pretrained: str = ""
    checkpoint: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """How changes on disk are noticed."""

    settle: Duration = 0.3
    settle_max: Duration = 30.0
    scan_every: Duration = 3600.0
    poll_every: Duration = 300.0
    hidden: bool = False
    follow_symlinks: bool = False
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """The sandboxed processes that turn files into pixels."""

    processes: int = 0
    timeout: Duration = 30.0
    memory: Size = 2 << 30
    max_pixels: int = 200_000_000
    max_file: Size = 2 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The process that holds the model."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    batch: int = 32
    threads: int = 0
    idle_unload: Duration = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """The vector index."""

    kind: Literal["fp16", "flat"] = "fp16"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """The catalog."""

    keep: Duration = 30 * 86400.0
    backup_every: Duration = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """Defaults of a search."""

    limit: int = 20
    min_score: float = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeConfig:
    """Limits of the socket."""

    max_connections: int = 64
    max_body: Size = 64 << 20
    timeout: Duration = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConfig:
    """Manners on a laptop."""

    on_battery: Literal["rest", "work"] = "rest"


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
