"""A file of the corpus, and what is known of it because we made it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

from PIL import Image
from pillow_heif import register_heif_opener

register_heif_opener()  # to write HEIF pictures here; a decoder loads its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file, with what its line of the manifest says."""

    path: str  # below the corpus
    content: bytes
    format: str = ""  # Pillow's word; "" where it is no picture that is read
    size: tuple[int, int] = (0, 0)  # as stored, before it is turned upright
    refusals: tuple[str, ...] = ()  # the kinds that are true for it; () when it must be read
    caption: str = ""

    def line(self) -> str:
        """Write its line of the manifest, in the words of the manifests of larger corpora."""
        is_read = bool(self.format) and not self.refusals
        told: dict[str, Any] = {"path": self.path, "pillow13": "ok" if is_read else "no"}
        if self.format == "HEIF":
            told = {"path": self.path, "pillow13": "no", "pillow13_heif": told["pillow13"]}
        if self.format:
            told |= {"fmt": self.format, "w": self.size[0], "h": self.size[1]}
        if self.refusals:
            told["refused"] = self.refusals
        if self.caption:
            told["captions"] = [self.caption]
        return json.dumps(told)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    file = io.BytesIO()
    # A copy, because Pillow leaves the options of one format on the picture for the next.
    image.copy().save(file, format_, **options)
    return file.getvalue()
