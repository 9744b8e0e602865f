"""A daemon for a demo: the real one, with everything that it writes in one temporary folder."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipd.encode.presets import IN_THE_BOX
from clipd.errors import ClipdError
from clipd.process.child import die_with_parent

_PATIENCE_SECONDS = 120.0


class DemoError(ClipdError):
    """Something in the demo was not what it should be."""


def _end_with_us() -> None:
    die_with_parent(signal.SIGTERM)  # a daemon that ends on its own ends its children too


@contextmanager
def step(what: str) -> Iterator[None]:
    """Time a step of the demo and say how long it took."""
    began = time.monotonic()
    yield
    print(f"[{time.monotonic() - began:6.2f} s] {what}", flush=True)


class DemoDaemon:
    """Runs clipd, and clipctl against it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "clipd.sock"
        self._config = folder / "config.toml"
        self._log = folder / "clipd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "XDG_RUNTIME_DIR": str(folder),
            "CLIPD_SOCKET": str(self.socket),
        }

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the daemon of this demo runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def config(self) -> Path:
        """The file of its configuration."""
        return self._config

    def configure(self, photos: Path, exclude: Sequence[str] = (), *, milvus: bool = False) -> None:
        """Write a configuration with one folder of photos and the model in the box.

        Args:
            milvus: keep the index in a Milvus Lite in the folder of the demo.
        """
        index = f'[index]\nkind = "milvus"\nuri = {json.dumps(str(self.folder / "milvus"))}\n\n'
        self._config.write_text(
            f'[model]\nname = "{IN_THE_BOX}"\n\n'
            f"[[roots]]\npath = {json.dumps(str(photos))}\n"
            f"exclude = {json.dumps(list(exclude))}\n\n"
            f'{index if milvus else ""}[power]\non_battery = "work"\n'
        )

    @contextmanager
    def running(self, keep: bool) -> Iterator[None]:
        """Run the daemon for the length of the block; leave it running only if all went well."""
        is_well = False
        try:
            with step("started clipd"):
                self._start(keep)
            yield
            is_well = True
        finally:
            if not (keep and is_well):
                with step("stopped clipd"):
                    self._stop()

    def _start(self, keep: bool) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "clipd", "run", "--config", self._config],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=None if keep else _end_with_us,
            )
        self.wait_until("clipd answers", lambda: self.ctl("ping").returncode == 0)

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until(
        self, what: str, is_so: Callable[[], bool], within: float = _PATIENCE_SECONDS
    ) -> None:
        """Wait for something to become so, for so many seconds.

        Raises:
            DemoError: clipd ended, or it did not become so in time.
        """
        deadline = time.monotonic() + within
        pause = threading.Event()
        while not is_so():
            if not self.is_running:
                raise DemoError(f"clipd ended early; its log says:\n{self._log.read_text()}")
            if time.monotonic() > deadline:
                raise DemoError(f"waited {within:.0f} s in vain until {what}")
            pause.wait(0.05)

    def status(self) -> dict[str, object]:
        """Ask the daemon how it is."""
        status: dict[str, object] = json.loads(self.ctl("status", "--json").stdout)
        return status

    def show(self, line: str) -> None:
        """Run a line of clipctl, or of clipd, as the reader would, its output for all to see.

        Raises:
            DemoError: it did not succeed.
        """
        print(f"$ {line}", flush=True)
        program, *words = shlex.split(line)
        status = self.run(*words) if program == "clipctl" else self._run_clipd(*words)
        if status:
            raise DemoError(f"{line} ended with status {status}")

    def run(self, *words: str) -> int:
        """Run clipctl, its output for all to see, and return its exit code."""
        return subprocess.run(self._client(*words), env=self._environment, check=False).returncode

    def _run_clipd(self, *words: str) -> int:
        command = [sys.executable, "-P", "-m", "clipd", *words]
        return subprocess.run(
            command, env=self._environment, preexec_fn=_end_with_us, check=False
        ).returncode

    def show_page(self) -> None:
        """Open the page in the browser, and wait until the reader has seen enough.

        Raises:
            DemoError: it cannot be opened.
        """
        if self.run("browse"):
            raise DemoError("the page cannot be opened; clipctl browse --no-open prints its file")
        print("the page is in your browser; Enter, or Ctrl-C, ends the demo", flush=True)
        sys.stdin.readline()

    def ctl(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run clipctl and catch its output."""
        return subprocess.run(
            self._client(*words), env=self._environment, capture_output=True, check=False
        )

    def _client(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "clipd.ctl", *words]
