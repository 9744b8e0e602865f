"""Small file systems that can be filled up, closed for writing, and taken away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class SmallDisk:
    """A tmpfs, and how much of it is free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, left_bytes: int = 0) -> None:
        """Take all room, but for what is to be left."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while True:
                        file.write(b"\0" * size)
            file.truncate(file.tell() - left_bytes)

    def take_inodes(self) -> None:
        """Let no further file be made, though there is room."""
        folder = self.folder / "inodes"
        folder.mkdir()
        with suppress(OSError):
            for number in range(10**6):
                (folder / f"{number}").touch()

    def empty(self) -> None:
        """Give back the room."""
        self._filler.unlink(missing_ok=True)
        folder = self.folder / "inodes"
        for name in os.listdir(folder) if folder.exists() else ():
            (folder / name).unlink()
        with suppress(FileNotFoundError):
            folder.rmdir()

    def forbid_writing(self) -> None:
        """Make it read-only, as the kernel does after an error of the disk.

        Raises:
            CalledProcessError: a file is open for writing.
        """
        self._remount("ro")

    def allow_writing(self) -> None:
        """Make it writable again."""
        self._remount("rw")

    def _remount(self, how: str) -> None:
        words = ["mount", "-o", f"remount,{how}", str(self.folder)]
        subprocess.run(words, check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, options: str = "size=48m") -> Iterator[SmallDisk]:
    """Mount a small tmpfs; skip where that is not allowed."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "clipd-faults", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("a small disk has to be mounted, and that is not allowed here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
