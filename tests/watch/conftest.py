from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from clipd.config import WatchConfig
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

    def make(*, exclude: tuple[str, ...] = (), **config: object) -> Library:
        settings = replace(WatchConfig(settle=0.05), **config)  # type: ignore[arg-type]
        return Library(tmp_path / "photos", catalog, reader, settings, exclude)

    yield make
    reader.close()
    catalog.close()


@pytest.fixture
def library(make_library: LibraryMaker) -> Library:
    return make_library()


@pytest.fixture(autouse=True)
def _no_thread_is_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class InotifySetting(Protocol):
    def __call__(self, name: str, value: int) -> None: ...


@pytest.fixture
def inotify_setting() -> Iterator[InotifySetting]:
    """Change a limit of inotify for one test; needs root."""
    before: dict[Path, str] = {}

    def change(name: str, value: int) -> None:
        file = Path("/proc/sys/fs/inotify") / name
        before.setdefault(file, file.read_text())
        try:
            file.write_text(str(value))
        except OSError as error:
            pytest.skip(f"limits of inotify can only be set by root: {error.strerror}")

    yield change
    for file, value in before.items():
        with suppress(OSError):
            file.write_text(value)
