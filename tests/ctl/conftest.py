from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.serve.answering import IDLE, GivenService, running

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Said:
    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


@dataclass(frozen=True)
class Ctl:
    """The real clipctl, as a process."""

    socket: Path

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        start = "from clipd.ctl.command import main; main()"
        return [sys.executable, "-P", "-c", start, *arguments]

    def environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return kept | {"CLIPD_SOCKET": str(self.socket), "PYTHONPATH": str(ROOT)}

    def __call__(self, *arguments: str | bytes, stdin: bytes = b"") -> Said:
        ended = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert b"Traceback" not in ended.stderr, ended.stderr.decode()
        return Said(ended.returncode, ended.stdout, ended.stderr.decode())


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[GivenService, Path]]:
    service = GivenService()
    with (
        tempfile.TemporaryDirectory(prefix="clipd-") as name,
        running(Path(name), service) as path,
    ):
        yield service, path


@pytest.fixture
def service(_server: tuple[GivenService, Path]) -> GivenService:
    given, _ = _server
    given.__init__()  # type: ignore[misc]  # as new, for every test
    given.states = [IDLE]
    return given


@pytest.fixture
def ctl(_server: tuple[GivenService, Path], service: GivenService) -> Ctl:
    return Ctl(_server[1])
