"""Thumbnails as desktops make them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image, PngImagePlugin

BLUE = (20, 20, 200)


@dataclass(frozen=True)
class Made:
    """A thumbnail as a desktop would make it of a red photo, but blue, so that it can be told."""

    photo: Path
    folder: Path
    kind: str = "large"
    size: tuple[int, int] = (256, 192)
    uri: str = ""
    mtime: str = ""
    format: str = "PNG"

    @property
    def file(self) -> Path:
        name = hashlib.md5(self.address.encode()).hexdigest()
        return self.folder / self.kind / f"{name}.png"

    @property
    def address(self) -> str:
        # As GLib writes it.
        return "file://" + quote(bytes(self.photo), safe="!$&'()*+,-./:=@_~")

    def save(self) -> Path:
        said = PngImagePlugin.PngInfo()
        said.add_text("Thumb::URI", self.uri or self.address)
        said.add_text("Thumb::MTime", self.mtime or str(int(self.photo.stat().st_mtime)))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        options = {"pnginfo": said} if self.format == "PNG" else {}
        Image.new("RGB", self.size, BLUE).save(self.file, self.format, **options)
        in_time = (self.photo.stat().st_ctime_ns // 10**9 + 5) * 10**9
        os.utime(self.file, ns=(in_time, in_time))
        return self.file
