"""What holds for every test: nothing that it started or opened outlives it."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import processes
from tests.corpus import folder as corpora
from tests.milvus_fixtures import engine as engine
from tests.milvus_fixtures import milvus as milvus
from tests.milvus_fixtures import milvus_lite as milvus_lite
from tests.milvus_fixtures import milvus_real as milvus_real
from tests.threads import started_threads

_GRACE_SECONDS = 30.0

# How long an example takes, or the making of it, tells how busy the machine is, and no bug. Where
# the attacks throw the same dice each time (tests/faults/dice.py), examples are the same, too.
_DICE = {"derandomize": True} if os.environ.get("CLIPD_FAULT_SEED") else {}
settings.register_profile(
    "clipd", None, deadline=None, suppress_health_check=[HealthCheck.too_slow], **_DICE
)
settings.load_profile("clipd")


@dataclass(frozen=True, slots=True)
class _Belongings:
    """What this process holds: threads, children, and descriptors by what they point to."""

    threads: frozenset[threading.Thread]
    children: frozenset[int]
    descriptors: frozenset[tuple[int, str]]

    def beyond(self, before: _Belongings) -> list[str]:
        """Name what is here and was not before."""
        extra = [f"thread {thread.name}" for thread in self.threads - before.threads]
        extra += [f"child {pid}" for pid in self.children - before.children]
        return extra + [f"fd {fd} -> {to}" for fd, to in self.descriptors - before.descriptors]


def _belongings() -> _Belongings:
    return _Belongings(
        frozenset(started_threads()), frozenset(_children()), frozenset(_descriptors())
    )


def _children() -> list[int]:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # the usual case: none at all, and /proc need not be read
        return []
    return [child.pid for child in processes.children(os.getpid())]


def _descriptors() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the descriptor of the listing itself
            continue
        yield int(name), target


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that change a setting of the kernel: they run with no other beside them."""
    for item in items:
        if "inotify_setting" in getattr(item, "fixturenames", ()):
            item.add_marker("alone")


@pytest.fixture(scope="session", params=corpora.CORPORA)
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, good and bad, with a manifest: our own, and a foreign one if there."""
    if request.param == "foreign":
        return corpora.FOREIGN
    return corpora.paint(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or an open descriptor behind."""
    before = _belongings()
    yield
    deadline = time.monotonic() + _GRACE_SECONDS
    while extra := _belongings().beyond(before):
        if time.monotonic() > deadline:
            pytest.fail("left behind: " + ", ".join(sorted(extra)), pytrace=False)
        gc.collect()  # an object that nobody holds may still own a descriptor
        threading.Event().wait(0.01)
