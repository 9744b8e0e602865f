"""What a decoder is told when it starts. Imports nothing: both sides read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal


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
    """What a decoder is told when it starts."""

    target: Target
    max_pixels: int
    memory_bytes: int
    cpu_seconds: float  # for one photo
    with_raw: bool = False

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
