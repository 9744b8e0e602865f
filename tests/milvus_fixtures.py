"""A Milvus for tests: the small one, and the real server. For a conftest to import."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipd.store.milvus_link import MilvusLink
from clipd.store.milvus_lite import LiteServer
from tests.milvus_server import milvus_server


@pytest.fixture(scope="session")
def milvus_lite() -> Iterator[str]:
    """Run one Milvus Lite for all tests: each catalog has collections of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = LiteServer(Path(folder) / "lite")
        server.start(60)
        uri = f"unix:{server.socket}"
        _wake(uri)
        yield uri
        server.stop()


@pytest.fixture(scope="session")
def milvus_real() -> Iterator[str]:
    """Run one Milvus server for all tests."""
    with tempfile.TemporaryDirectory() as folder, milvus_server(Path(folder)) as socket:
        uri = f"unix:{socket}"
        _wake(uri)
        yield uri


def _wake(uri: str) -> None:
    """Have gRPC open what it keeps for good, before a test counts descriptors."""
    link = MilvusLink(uri)
    link.connect()
    link.call(lambda client: client.list_collections())
    link.close()


ENGINES = [
    "",
    pytest.param("milvus_lite", marks=pytest.mark.slow),
    pytest.param("milvus_real", marks=pytest.mark.engines),
]


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """What keeps the index: "" for our own files, else the URI of a Milvus."""
    return str(request.getfixturevalue(request.param)) if request.param else ""


@pytest.fixture(scope="session", params=ENGINES[1:])
def milvus(request: pytest.FixtureRequest) -> str:
    """The URI of a Milvus, small or real."""
    return str(request.getfixturevalue(request.param))
