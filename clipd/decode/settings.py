"""What a decoder is told. Imports nothing heavy: both sides read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from clipd.json_types import JsonValue

# Decoders take what the encoder leaves: its threads wait for each other, so that one that is
# pushed off a core stops them all, while a decoder that waits costs only itself.
NICE = 10


@dataclass(frozen=True, slots=True)
class Target:
    """What a model wants its pictures to be; see `clipd.photo.Preprocess`."""

    side: int
    resize: Literal["shortest", "squash", "longest"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    fill: int = 0

    @property
    def size_bytes(self) -> int:
        """The size of the pixels of one picture."""
        return self.side * self.side * 3


@dataclass(frozen=True, slots=True)
class Settings:
    """What a decoder is told when it starts, but for how nice it is."""

    target: Target
    max_pixels: int
    memory_bytes: int
    cpu_seconds: float  # for one photo
    with_raw: bool = False
    nice: int = NICE  # levels below clipd

    def to_json(self) -> str:
        """Return the settings as one argument of a command line."""
        target = self.target
        return json.dumps(
            {
                "target": [target.side, target.resize, target.interpolation, target.fill],
                "max_pixels": self.max_pixels,
                "memory_bytes": self.memory_bytes,
                "cpu_seconds": self.cpu_seconds,
                "with_raw": self.with_raw,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "target": Target(*values["target"])})


@dataclass(frozen=True, slots=True)
class Claim:
    """What a thumbnail that the desktop made must say of itself to be one of a certain file.

    Attributes:
        uris: one of these is the address of the file.
        mtime: when the file was changed, in seconds.
    """

    uris: tuple[str, ...]
    mtime: str

    def to_json(self) -> JsonValue:
        """Return it as a part of a message."""
        return {"uris": [*self.uris], "mtime": self.mtime}

    @classmethod
    def from_json(cls, value: JsonValue) -> Claim | None:
        """Read what `to_json` wrote; None where there is none."""
        if not isinstance(value, dict):
            return None
        uris = value["uris"]
        assert isinstance(uris, list)
        return cls(tuple(str(uri) for uri in uris), str(value["mtime"]))
