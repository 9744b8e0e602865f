"""A real clipd for tests: its own home, its own socket, started as its unit file starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests import processes
from tests.daemon.commands import program, unit_command
from tests.daemon.wire import (
    PATIENCE_SECONDS,
    Notifications,
    UnixConnection,
    path_of,
    paths_of,
    wait_until,
)

_FOREIGN = ("XDG_", "CLIPD_", "NOTIFY_", "WATCHDOG_", "CUDA_")


def _is_to_be_asked_again(error: dict[str, str]) -> bool:
    return error["code"] == "stopping" or "ask again in a moment" in error["message"]


class NotReadyError(AssertionError):
    """The daemon ended before it said READY=1."""


class Daemon:
    """One clipd: its folders, its config, its process when it runs.

    Args:
        home: becomes HOME, and holds every XDG folder but the runtime folder.
        runtime: XDG_RUNTIME_DIR; short, for the path of a socket has 107 bytes.
        roots: folders to watch, as written into the config.
        config: further TOML.
        prefix: words before the command, such as ``setpriv``.
        environment: further environment variables.
    """

    def __init__(
        self,
        home: Path,
        runtime: Path,
        roots: Sequence[Path],
        config: str = "",
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.runtime = runtime
        self.prefix = tuple(prefix)
        self.environment = dict(environment or {})
        self.file = home / "clipd.toml"
        self.log_file = home / "clipd.log"
        self.socket = runtime / "clipd" / "clipd.sock"
        self.notes = Notifications(runtime / "notify")
        self._process: subprocess.Popen[bytes] | None = None
        self._family: dict[int, processes.Process] = {}
        home.mkdir(parents=True, exist_ok=True)
        self.configure(roots, config)

    def configure(self, roots: Sequence[Path], config: str = "") -> None:
        """Write the config file anew."""
        parts = ['[model]\nname = "pocket"', config]
        parts += [f"[[roots]]\npath = {json.dumps(str(root))}" for root in roots]
        self.file.write_text("\n".join(parts) + "\n")

    def start(self) -> Daemon:
        """Start it as its unit does and wait until it says that it is ready.

        Raises:
            NotReadyError: it ended before it was ready.
        """
        assert self._process is None or self._process.poll() is not None
        self.notes.drain()
        self.notes.seen.clear()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.prefix, *unit_command(), "--config", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment_of() | {"NOTIFY_SOCKET": str(self.notes.path)},
                cwd="/",
            )
        if not self.notes.await_word("READY=1", self.is_running, PATIENCE_SECONDS):
            raise NotReadyError(f"exit status {self._process.poll()}: {self.log()[-2000:]}")
        return self

    def stop(self) -> float:
        """Send SIGTERM, insist on a clean end within 10 s, return the seconds it took."""
        self.family()
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0, self.log()[-3000:]
        took = time.monotonic() - begun
        assert not self.orphans()
        return took

    def reload(self) -> None:
        """Send SIGHUP and wait until it says that it is ready again."""
        self.notes.drain()
        self.notes.seen.clear()
        self.process.send_signal(signal.SIGHUP)
        assert self.notes.await_word("READY=1", self.is_running, PATIENCE_SECONDS), self.log()

    def kill(self) -> None:
        """Kill it as the kernel would; its children have to find out by themselves."""
        self.family()
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End whatever still runs, gently where that works."""
        if self._process is not None and self._process.poll() is None:
            self.family()
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for one in self.orphans():
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(one.pid, signal.SIGKILL)
        self.notes.close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None, "the daemon was not started"
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def family(self) -> list[processes.Process]:
        """List its children of now; they are remembered, to be ended with it."""
        found = processes.children(self.pid)
        self._family |= {one.pid: one for one in found}
        return found

    def orphans(self) -> list[processes.Process]:
        """List those of its children of before that still run."""
        return [one for one in self._family.values() if one.is_alive]

    def log(self) -> str:
        """Return all that it has written to its standard error so far."""
        return self.log_file.read_text(errors="replace")

    def state_folder(self) -> Path:
        """Return the folder of its catalog."""
        return Path(self.environment_of()["XDG_STATE_HOME"]) / "clipd"

    def request(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Send one request to the socket; return the status and the JSON of the answer."""
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, body, {"Content-Type": kind} if body else {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def fetch(self, path: str) -> bytes:
        """Return the body of an answer that is not JSON."""
        connection = UnixConnection(self.socket)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            return response.read()
        finally:
            connection.close()

    def status(self) -> dict[str, Any]:
        """Return `/v1/status`."""
        answer = self._ask_patiently("/v1/status")
        assert isinstance(answer, dict)
        return answer

    def _ask_patiently(self, path: str) -> Any:
        """Return an answer; what is to be asked again is.

        That is what a stop and start within the process cuts off, as docs/api.md tells clients,
        and what a model keeps waiting whose preparing takes a busy machine over a minute.
        """
        answers: list[tuple[int, Any]] = []

        def is_answered() -> bool:
            answers.append(self.request("GET", path))
            code, answer = answers[-1]
            return code != 503 or not _is_to_be_asked_again(answer["error"])

        wait_until(is_answered, PATIENCE_SECONDS, what=lambda: str(answers[-1]))
        code, answer = answers[-1]
        assert code == 200, answer
        return answer

    def search(self, query: str = "sunset", n: int = 10_000) -> list[dict[str, Any]]:
        """Return the hits of a query in words."""
        words = urlencode({"q": query, "limit": n, "anyway": "true"})
        hits = self._ask_patiently(f"/v1/search?{words}")["hits"]
        assert isinstance(hits, list)
        return hits

    def errors(self, *, skipped: bool = False) -> dict[bytes, dict[str, Any]]:
        """Return what `clipctl errors` lists, by path; skipped files only when asked for."""
        listed = json.loads(self.ctl("errors", "--json").stdout)
        return {path_of(row): row for row in listed if skipped or row["kind"] != "skipped"}

    def ctl(self, *arguments: str | bytes, ok: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run the real clipctl; with `ok`, insist on exit status 0."""
        done = subprocess.run(
            [*program("clipd.ctl.command"), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * PATIENCE_SECONDS,
            env=self.environment_of(),
            cwd="/",
            check=False,
        )
        assert not ok or done.returncode == 0, (arguments, done)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    def clipd(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run another `clipd` command in the same home."""
        return subprocess.run(
            [*program("clipd.cli.command"), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            env=self.environment_of(),
            cwd="/",
            check=False,
        )

    def found(self, folder: Path | bytes, query: str = "sunset") -> set[bytes]:
        """Return every path below a folder that a search finds, relative to the folder."""
        base = os.fsencode(folder) + b"/"
        paths = paths_of(self.search(query))
        assert len(paths) == len(set(paths)), f"a path is found twice: {sorted(paths)}"
        return {path.removeprefix(base) for path in paths if path.startswith(base)}

    def root_states(self) -> dict[str, str]:
        """Return the state of each root by its path."""
        return {root["path"]: root["state"] for root in self.status()["roots"]}

    def wait_until(
        self,
        condition: Callable[[], object],
        seconds: float = PATIENCE_SECONDS,
        what: object = "",
    ) -> None:
        """Ask again and again until the condition holds; a dead daemon ends the wait."""

        def holds() -> object:
            assert self.is_running(), f"the daemon ended: {self.log()[-3000:]}"
            return condition()

        wait_until(holds, seconds, what=lambda: f"{what}; {self.status()}; {self.log()[-2000:]}")

    def wait_until_logged(self, words: str) -> None:
        """Wait until its log has these words; asks the daemon nothing."""
        wait_until(lambda: words in self.log(), what=lambda: f"{words!r} in {self.log()[-2000:]}")

    def wait_found(self, folder: Path | bytes, names: Iterable[str | bytes]) -> float:
        """Wait until a search finds exactly these paths below a folder; return the seconds."""
        expected = {os.fsencode(name) for name in names}
        begun = time.monotonic()
        self.wait_until(
            lambda: self.found(folder) == expected, what=f"{folder!r} holds {sorted(expected)}"
        )
        return time.monotonic() - begun

    def wait_idle(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until it says twice in a row that nothing is left to do; return its status."""
        calm: list[dict[str, Any]] = []

        def is_calm() -> bool:
            now = self.status()
            if now["state"] == "idle" and now["backlog"] == 0:
                calm.append(now)
            else:
                calm.clear()
            return len(calm) > 1

        self.wait_until(is_calm, seconds, what="idle")
        return calm[-1]

    def worked(self) -> tuple[int, int]:
        """Wait until it is idle; return how many pictures it has decoded and encoded."""
        status = self.wait_idle()
        return status["decoded"], status["encoded"]

    def verify(self, *options: str) -> dict[str, Any]:
        """Insist that `clipctl verify` finds catalog and index, or more, in agreement."""
        done = self.ctl("verify", *options, "--json", ok=False)
        verdict = json.loads(done.stdout)
        assert verdict["ok"] is True, verdict
        assert done.returncode == 0
        assert isinstance(verdict, dict)
        return verdict

    def environment_of(self) -> dict[str, str]:
        """Return the environment that it and its clients run in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        folders = {
            "HOME": self.home,
            "XDG_CONFIG_HOME": self.home / "config",
            "XDG_STATE_HOME": self.home / "state",
            "XDG_CACHE_HOME": self.home / "cache",
            "XDG_DATA_HOME": self.home / "data",
            "XDG_RUNTIME_DIR": self.runtime,
        }
        return kept | {name: str(folder) for name, folder in folders.items()} | self.environment
