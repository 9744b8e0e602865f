"""What every attack needs: a daemon, a seed that is told, and disks that may break."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon
from tests.faults import dice as chance


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    """Makes daemons that live as long as a test."""
    with ExitStack() as running:
        yield Daemons(tmp_path, running)


@pytest.fixture(scope="module")
def module_daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    """Makes daemons that live as long as the tests of a module."""
    with ExitStack() as running:
        yield Daemons(tmp_path_factory.mktemp("module"), running)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Chance for this test; see `tests.faults.dice` for how to have the same again."""
    return chance.dice(request.node.name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder to watch."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def daemon(daemons: Daemons, root: Path) -> Daemon:
    """A daemon that watches `root` and is not started."""
    return daemons.new([root])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Tell the seed, and the ends of the logs, with every failure."""
    report = (yield).get_result()
    if report.failed:
        report.sections.append(("seed", f"CLIPD_FAULT_SEED={chance.SEED}"))
        for made in getattr(item, "funcargs", {}).values():
            for daemon in made.made if isinstance(made, Daemons) else ():
                if daemon.log_file.exists():
                    report.sections.append((f"log of {daemon.home.name}", daemon.log()[-6000:]))
