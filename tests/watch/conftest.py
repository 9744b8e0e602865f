from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from clipd.config.options import WatchConfig
from clipd.store.catalog import Catalog
from clipd.store.reader import CatalogReader
from tests.watch.library import Library


class LibraryMaker(Protocol):
    def __call__(self, *, exclude: tuple[str, ...] = ..., **config: object) -> Library: ...


@pytest.fixture
def make_library(tmp_path: Path) -> Iterator[LibraryMaker]:
    (tmp_path / "state").mkdir()
    catalog = Catalog.open(tmp_path / "state" / "catalog.sqlite")
    reader = CatalogReader(tmp_path / "state" / "catalog.sqlite")
    made: list[Library] = []

    def make(*, exclude: tuple[str, ...] = (), **config: object) -> Library:
        settings = replace(WatchConfig(settle=0.05), **config)  # type: ignore[arg-type]
        made.append(Library(tmp_path / "my photos", catalog, reader, settings, exclude))
        return made[-1]

    yield make
    for library in made:
        library.roots.close()
    reader.close()
    catalog.close()


@pytest.fixture
def library(make_library: LibraryMaker) -> Library:
    return make_library()


class InotifySetting(Protocol):
    def __call__(self, name: str, value: int) -> None: ...


@pytest.fixture
def inotify_setting() -> Iterator[InotifySetting]:
    """Change a limit of inotify for one test; needs root."""
    restorers: list[subprocess.Popen[bytes]] = []

    def change(name: str, value: int) -> None:
        file = f"/proc/sys/fs/inotify/{name}"
        if not os.access(file, os.W_OK):
            pytest.skip("limits of inotify can only be set by root")
        if not any(file in restorer.args for restorer in restorers):  # type: ignore[operator]
            restorers.append(_restorer(file))
        Path(file).write_text(str(value))

    yield change
    for restorer in restorers:
        restorer.communicate(timeout=60)


def _restorer(file: str) -> subprocess.Popen[bytes]:
    """Put a setting back when this process lets go of it, be it by being killed."""
    script = 'read end; printf %s "$2" > "$1"'
    return subprocess.Popen(
        ["sh", "-c", script, "restore", file, Path(file).read_text().strip()],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture
def ordinary_rights() -> Iterator[None]:
    """Make permission bits count for this thread, and those it starts, even for root.

    Capabilities are of a thread (capabilities(7)): the effective ones are put aside.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    assert libc.capget(header, data) == 0
    effective = data[0]
    data[0] = effective & ~(1 << 1 | 1 << 2 | 1 << 28)  # DAC_OVERRIDE, DAC_READ_SEARCH, LEASE
    assert libc.capset(header, data) == 0
    yield
    data[0] = effective
    assert libc.capset(header, data) == 0


class Mounting(Protocol):
    def __call__(self, folder: Path) -> None: ...


@pytest.fixture
def mounting() -> Iterator[Mounting]:
    """Mount a new tmpfs on a folder; needs root."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "clipd-test", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a file system can only be mounted by root: {done.stderr.strip()}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        while os.path.ismount(folder):
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
