"""Photos as they are, for a browser that can show them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from clipd.errors import RequestError
from clipd.pathtext import shown

# What browsers show, by Pillow's words. Never SVG, which can hold programs.
TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}
_PIECE_BYTES = 1 << 18


class Original:
    """An open photo. To be read to its end, or closed.

    Args:
        path: a path that the daemon named, never one that a browser did.
    """

    def __init__(self, path: bytes) -> None:
        """Open the file.

        Raises:
            RequestError: it is not there, cannot be read, or is no file.
        """
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            message = f"cannot open {shown(path)}: {error.strerror}"
            raise RequestError("unreadable", message, 404) from error
        status = os.fstat(self._fd)
        self.size_bytes = status.st_size
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            raise RequestError("unreadable", f"{shown(path)} is no file", 404)

    def pieces(self) -> Iterator[bytes]:
        """Yield the content, and close the file."""
        with open(self._fd, "rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
