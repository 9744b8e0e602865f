"""Daemons for tests: one that many tests share, and more for those that start and kill."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import album
from tests.daemon.harness import Daemon

QUERIES = ("sunset", "a cat", "snowy mountains")


@dataclass(frozen=True, slots=True)
class FirstCrawl:
    """What was seen when clipd met the seed pictures, and the folders that it left."""

    state: Path
    cache: Path
    folder: Path
    hits: Mapping[str, list[dict[str, Any]]]
    status: dict[str, Any]
    notes: tuple[str, ...]


class Daemons:
    """Makes daemons and ends them; each has a home of its own."""

    def __init__(self, folder: Path, running: ExitStack) -> None:
        self.folder = folder
        self.made: list[Daemon] = []
        self._running = running

    def new(
        self,
        roots: Sequence[Path],
        config: str = "",
        *,
        seed: FirstCrawl | None = None,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Daemon:
        """Make a daemon that is not started; with `seed`, it knows the seed pictures already."""
        home = self.folder / f"home{len(self.made)}"
        if seed is not None:
            shutil.copytree(seed.state, home / "state")
            shutil.copytree(
                seed.cache / "clipd" / "compiled", home / "cache" / "clipd" / "compiled"
            )
        # not below pytest's folders, whose long names would not fit into a socket's path
        runtime = Path(self._running.enter_context(tempfile.TemporaryDirectory(prefix="clipd-")))
        daemon = Daemon(home, runtime, roots, config, prefix=prefix, environment=environment)
        self.made.append(daemon)
        self._running.callback(daemon.close)
        return daemon


def _daemons(folder: Path) -> Iterator[Daemons]:
    with ExitStack() as running:
        yield Daemons(folder, running)


@pytest.fixture(scope="package")
def package_daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """Makes daemons that live as long as the tests of this folder."""
    yield from _daemons(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def module_daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """Makes daemons that live as long as the tests of a module."""
    yield from _daemons(tmp_path_factory.mktemp("module"))


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    """Makes daemons that live as long as a test."""
    yield from _daemons(tmp_path)


@pytest.fixture(scope="package")
def seed(package_daemons: Daemons) -> FirstCrawl:
    """The seed pictures crawled by a fresh daemon, which was then stopped."""
    folder = album.fill(package_daemons.folder / "seed")
    daemon = package_daemons.new([folder]).start()
    daemon.wait_until(lambda: daemon.status()["encoded"] == len(album.SEED), what="all encoded")
    hits = {query: daemon.search(query) for query in QUERIES}
    daemon.wait_until_logged("what scores mean was learnt")  # so that all know its texts
    status = daemon.wait_idle()
    notes = tuple(daemon.notes.drain())
    daemon.stop()
    return FirstCrawl(daemon.home / "state", daemon.home / "cache", folder, hits, status, notes)


@pytest.fixture(scope="package")
def library(package_daemons: Daemons) -> Path:
    """The root of the shared daemon."""
    folder = package_daemons.folder / "library"
    folder.mkdir()
    return folder


@pytest.fixture(scope="package")
def shared(package_daemons: Daemons, library: Path, seed: FirstCrawl) -> Daemon:
    """A daemon that many tests share; each works in a folder of its own."""
    watchdog = {"WATCHDOG_USEC": "2000000"}
    return package_daemons.new([library], seed=seed, environment=watchdog).start()


@pytest.fixture
def folder(library: Path, request: pytest.FixtureRequest) -> Path:
    """A folder in the shared daemon's library, for one test."""
    name = str(request.node.name).partition("[")[0].removeprefix("test_")[:60]
    made = library / f"{len(os.listdir(library))} {name}"
    made.mkdir()
    return made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Show the logs of a test's daemons when it fails."""
    report = (yield).get_result()
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for daemon in value.made if isinstance(value, Daemons) else [value]:
                if isinstance(daemon, Daemon) and daemon.log_file.exists():
                    report.sections.append((f"log of {daemon.home.name}", daemon.log()[-6000:]))
