"""Thumbnails on disk, by the content that they show; those not looked at for longest go first."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

_KEPT_SHARE = 0.9  # of the limit, once it is passed
_START, _END = b"\xff\xd8\xff", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class _File:
    used_at: float
    size_bytes: int
    path: Path


class ThumbnailCache:
    """JPEGs in a folder that may be deleted at any time. Any thread.

    Args:
        folder: made when it is needed.
        most_bytes: that it may hold.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._held: int | None = None  # bytes; None: not counted yet. Guarded by _lock

    def get(self, content_hash: bytes, side: int) -> bytes | None:
        """Return a thumbnail, and note that it was used; None where there is none that is whole."""
        file = self._file(content_hash, side)
        try:
            jpeg = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        # Nobody waits for the disk when it is written, so a power cut may leave a part of it.
        return jpeg if jpeg.startswith(_START) and jpeg.endswith(_END) else None

    def put(self, content_hash: bytes, side: int, jpeg: bytes) -> None:
        """Keep a thumbnail; where there is no room, it is made again next time."""
        file = self._file(content_hash, side)
        with contextlib.suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd, aside = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=file.parent)
            try:
                with open(fd, "wb") as written:
                    written.write(jpeg)
                os.replace(aside, file)
            except OSError:
                os.unlink(aside)
                raise
            self._make_room(len(jpeg))

    def _file(self, content_hash: bytes, side: int) -> Path:
        name = content_hash.hex()
        return self._folder / name[:2] / f"{name}-{side}.jpg"

    def _make_room(self, added: int) -> None:
        with self._lock:
            if self._held is not None and self._held + added <= self._most_bytes:
                self._held += added
                return
            files = sorted(self._files(), key=lambda file: file.used_at)
            self._held = sum(file.size_bytes for file in files)
            if self._held <= self._most_bytes:
                return
            for file in files:
                with contextlib.suppress(OSError):
                    file.path.unlink()
                self._held -= file.size_bytes
                if self._held <= _KEPT_SHARE * self._most_bytes:
                    return

    def _files(self) -> list[_File]:
        found = []
        for folder in self._folder.glob("??"):
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    stat = entry.stat(follow_symlinks=False)
                    found.append(_File(stat.st_mtime, stat.st_size, Path(entry.path)))
        return found
