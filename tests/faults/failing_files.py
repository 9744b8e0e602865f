"""Files on which chosen calls fail with EIO, in a daemon that runs: see failing_files.c."""

from __future__ import annotations

import enum
import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("failing_files.c")
_HEAD = struct.Struct("=QQ")  # entries in use, calls that have failed
_ENTRY = struct.Struct("=QQQ")  # calls, device, inode
_MOST = 64


class Calls(enum.IntFlag):
    """What fails."""

    READS = 1
    WRITES = 2
    SYNCS = 4


class FailingFiles:
    """Chooses the files that fail; a daemon with `environment` obeys from its start on."""

    def __init__(self, folder: Path) -> None:
        self._library = _compiled(folder)
        self._table = folder / "failing files"
        self._table.write_bytes(bytes(_HEAD.size + _MOST * _ENTRY.size))

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that bring the failures into a process and its children."""
        return {"LD_PRELOAD": str(self._library), "FAILING_FILES": str(self._table)}

    def fail(self, calls: Calls, *files: Path) -> None:
        """Let these calls on these files fail from now on, and no others."""
        stats = [os.stat(file) for file in files]
        entries = [_ENTRY.pack(calls, stat.st_dev, stat.st_ino) for stat in stats]
        self._write(_HEAD.size, b"".join(entries))
        self._write(0, _HEAD.pack(len(entries), 0))

    def heal(self) -> None:
        """Let everything work again."""
        self._write(0, _HEAD.pack(0, 0))

    def failed(self) -> int:
        """Return how many calls have failed since the last choice."""
        count: int = _HEAD.unpack(self._table.read_bytes()[: _HEAD.size])[1]
        return count

    def _write(self, at: int, content: bytes) -> None:
        with self._table.open("r+b") as file, mmap.mmap(file.fileno(), 0) as table:
            table[at : at + len(content)] = content


def _compiled(folder: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("failing files are made by a small library, and there is no C compiler")
    made = folder / "failing_files.so"
    words = [compiler, "-Wall", "-O2", "-shared", "-fPIC", "-o", str(made), str(_SOURCE)]
    subprocess.run(words, check=True)
    return made
