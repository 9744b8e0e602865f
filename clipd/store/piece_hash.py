"""The hash of a large file, by pieces, so that all cores can check it at once."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from clipd.store.pace import Pace

_PIECE_BYTES = 8 << 20
_MOST_THREADS = 4


class PieceHash:
    """SHA-256 of the SHA-256s of a file's pieces, of 8 MiB each, as they are written."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self._piece = hashlib.sha256()
        self._left = _PIECE_BYTES  # until the piece is full

    def update(self, data: bytes) -> None:
        """Take in the bytes that follow."""
        view = memoryview(data)
        while len(view):
            part = view[: self._left]
            self._piece.update(part)
            self._left -= len(part)
            view = view[len(part) :]
            if not self._left:
                self._close_piece()

    def hexdigest(self) -> str:
        """Return the hash of all; nothing may follow."""
        if self._left < _PIECE_BYTES:
            self._close_piece()
        return self._whole.hexdigest()

    def _close_piece(self) -> None:
        self._whole.update(self._piece.digest())
        self._piece = hashlib.sha256()
        self._left = _PIECE_BYTES


def hash_of_pieces(stream: BinaryIO, pace: Pace | None = None) -> str:
    """Return the hash of a whole file.

    Args:
        stream: the file.
        pace: how fast, on one thread; None: as fast as the cores can.

    Raises:
        OSError: it cannot be read.
        CheckStoppedError: the pace was told to end.
    """
    fd = stream.fileno()
    starts = range(0, os.fstat(fd).st_size, _PIECE_BYTES)
    whole = hashlib.sha256()
    if pace is not None:
        for start in starts:
            whole.update(_digest(fd, start))
            pace.advance(_PIECE_BYTES)
        return whole.hexdigest()
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        for digest in threads.map(lambda start: _digest(fd, start), starts):
            whole.update(digest)
    return whole.hexdigest()


def _digest(fd: int, start: int) -> bytes:
    return hashlib.sha256(os.pread(fd, _PIECE_BYTES, start)).digest()
