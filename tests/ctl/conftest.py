from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from clipd.ctl.command import run
from clipd.ctl.last_list import ListedPhoto, keep_list
from tests.serve.answering import IDLE, GivenService, running
from tests.serve.http_client import warm_up

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
    """The real clipctl: called here, which is ten times as fast, or as a process."""

    socket: Path

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        start = "from clipd.ctl.command import main; main()"
        return [sys.executable, "-P", "-c", start, *arguments]

    def environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return kept | {
            "CLIPD_SOCKET": str(self.socket),
            "PYTHONPATH": str(ROOT),
            "XDG_RUNTIME_DIR": str(self.socket.parent),
        }

    def __call__(self, *arguments: str | bytes) -> Said:
        out, err = io.BytesIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(io.TextIOWrapper(out, write_through=True)) as wrapped,
            redirect_stderr(err),
        ):
            patch.setenv("CLIPD_SOCKET", str(self.socket))
            patch.setenv("XDG_RUNTIME_DIR", str(self.socket.parent))
            code = run([os.fsdecode(argument) for argument in arguments])
            wrapped.flush()
            return Said(code, out.getvalue(), err.getvalue())

    def lists(self, *photos: ListedPhoto) -> None:
        """Have these be the last list of this terminal, as far as ``ctl`` itself goes."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(self.socket.parent))
            keep_list(photos)

    def process(self, *arguments: str | bytes) -> Said:
        ended = subprocess.run(
            self.command(*arguments),
            env=self.environment(),
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
        warm_up(path, service)
        yield service, path


@pytest.fixture
def service(_server: tuple[GivenService, Path]) -> GivenService:
    given, _ = _server
    given.__init__()  # type: ignore[misc]  # as new, for every test
    given.states = [IDLE]
    shutil.rmtree(_server[1].parent / "clipd", ignore_errors=True)  # the lists of former tests
    return given


@pytest.fixture
def ctl(_server: tuple[GivenService, Path], service: GivenService) -> Ctl:
    return Ctl(_server[1])
