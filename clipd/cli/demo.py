"""`clipd demo`: the real daemon on painted photos, each answer checked.

Everything lives in one temporary folder: photos, configuration, state and socket.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from clipd.encode.presets import IN_THE_BOX
from clipd.errors import ClipdError
from clipd.process.child import die_with_parent
from clipd.tiny.scenes import draw

_PHOTOS = 200
_SCENES = (
    *("sunset", "beach", "forest", "snowy mountains", "night sky", "city skyline", "desert"),
    *("lake", "waterfall", "field of flowers", "red car", "blue car", "sailing boat", "house"),
    *("tree", "cat", "dog", "bird", "fish", "cake", "clock", "balloon", "bicycle", "bridge"),
    "lighthouse",
)
_QUERIES = ("sunset", "snowy mountains", "a red car")
_TOP = 5
_PATIENCE_SECONDS = 120.0


class DemoError(ClipdError):
    """An answer of the demo was not what it should be."""


def main(keep: bool) -> int:
    """Run the demo; return 0 when every answer was right.

    Args:
        keep: leave the daemon and its folder for playing.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="clipd-demo-"))
    demo = _Demo(folder)
    try:
        with demo.step(f"painted {_PHOTOS} photos into {folder}/photos"):
            demo.paint()
        with demo.daemon(keep):
            demo.play()
            if keep:
                demo.explain()
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is left running", file=sys.stderr)
        return 130
    except DemoError as error:
        print(f"clipd demo: {error}", file=sys.stderr)
        return 1
    finally:
        if not (keep and demo.is_running):
            shutil.rmtree(folder, ignore_errors=True)
    print("all answers were right")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_us() -> None:
    die_with_parent(signal.SIGTERM)  # a daemon that ends on its own ends its children too


class _Demo:
    """One run of the demo in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._photos = folder / "photos"
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
            "CLIPD_SOCKET": str(folder / "clipd.sock"),
        }

    @property
    def is_running(self) -> bool:
        """Whether the daemon of this demo runs."""
        return self._process is not None and self._process.poll() is None

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Time a step and say how long it took."""
        began = time.monotonic()
        yield
        print(f"[{time.monotonic() - began:6.2f} s] {what}", flush=True)

    def paint(self) -> None:
        """Write the photos, one scene after the other, and the configuration."""
        self._photos.mkdir()
        for number in range(_PHOTOS):
            scene = _SCENES[number % len(_SCENES)]
            self._save(f"{number:03d} {scene}.jpg", scene, seed=10_000 + number)
        self._config.write_text(
            f'[model]\nname = "{IN_THE_BOX}"\n\n'
            f"[[roots]]\npath = {json.dumps(str(self._photos))}\n\n"
            '[power]\non_battery = "work"\n'
        )

    @contextmanager
    def daemon(self, keep: bool) -> Iterator[None]:
        """Run the daemon for the length of the block; leave it running only if all went well."""
        try:
            with self.step("started clipd"):
                self._start(keep)
            yield
        except BaseException:
            keep = False
            raise
        finally:
            if not keep:
                with self.step("stopped clipd"):
                    self._stop()

    def play(self) -> None:
        """Search, save, rename and delete, and check what comes back."""
        with self.step(f"{_PHOTOS} photos can be found"):
            self._show("clipctl status --wait")
        for query in _QUERIES:
            self._search(query)
        new, renamed = "new.jpg", "renamed.jpg"
        with self.step("saved a new photo of a rainbow and found it"):
            self._save(new, "rainbow", seed=77_777)
            self._await_place(new, lambda names: new in names)
        before = self._status()
        with self.step("renamed it and found it under its new name"):
            (self._photos / new).rename(self._photos / renamed)
            self._await_place(renamed, lambda names: renamed in names and new not in names)
        if self._status()["encoded"] != before["encoded"]:
            raise DemoError("the renamed photo was encoded again")
        with self.step("deleted it, and it is gone from the hits"):
            (self._photos / renamed).unlink()
            self._await_place(renamed, lambda names: renamed not in names)

    def explain(self) -> None:
        """Print what to try on a daemon that is left running, as any shell understands it."""
        assert self._process is not None
        folder, pid = shlex.quote(str(self._folder)), self._process.pid
        programs = shlex.quote(str(Path(sys.executable).parent))
        print(
            f"\nclipd goes on running on {self._photos}. Try:\n"
            f"    export CLIPD_SOCKET={folder}/clipd.sock PATH={programs}:$PATH\n"
            '    clipctl search "a cat"\n'
            '    clipctl search "sailing boat" --minus sunset\n'
            "    clipctl status\n"
            f"    xdg-open {folder}/photos\n"
            "and when you have seen enough:\n"
            # It saves its index on the way out, which must not lie in a folder that goes away.
            f"    kill {pid} && tail --pid={pid} -f /dev/null && rm -r {folder}"
        )

    def _save(self, name: str, scene: str, seed: int) -> None:
        draw(scene, seed).save(self._photos / name, quality=90)

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
        self._await("clipd answers", lambda: self._ctl("ping").returncode == 0)

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _search(self, query: str) -> None:
        with self.step(f'searched for "{query}"'):
            self._show(f'clipctl search "{query}" -n {_TOP}')
        names = self._names(query, _TOP)
        scene = query.removeprefix("a ")
        right = sum(scene in name for name in names)
        if right < _TOP - 1:
            raise DemoError(f'only {right} of the first {_TOP} answers to "{query}" are right')

    def _names(self, query: str, count: int) -> list[str]:
        answer = self._ctl("search", query, "--json", "-n", str(count))
        hits = json.loads(answer.stdout or b'{"hits": []}')["hits"]
        return [Path(hit["path"]).name for hit in hits]

    def _await_place(self, name: str, is_right: Callable[[list[str]], bool]) -> None:
        def found() -> bool:
            return is_right(self._names("rainbow", 20))

        self._await(f"{name} is where it should be", found)

    def _await(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        pause = threading.Event()
        while not is_so():
            if not self.is_running:
                raise DemoError(f"clipd ended early; its log says:\n{self._log.read_text()}")
            if time.monotonic() > deadline:
                raise DemoError(f"waited {_PATIENCE_SECONDS:.0f} s in vain until {what}")
            pause.wait(0.05)

    def _status(self) -> dict[str, object]:
        status: dict[str, object] = json.loads(self._ctl("status", "--json").stdout)
        return status

    def _show(self, line: str) -> None:
        """Run a line of clipctl as the reader would, its output for all to see."""
        print(f"$ {line}", flush=True)
        words = shlex.split(line)[1:]
        done = subprocess.run(self._client(*words), env=self._environment, check=False)
        if done.returncode:
            raise DemoError(f"{line} ended with status {done.returncode}")

    def _ctl(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self._client(*words), env=self._environment, capture_output=True, check=False
        )

    def _client(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "clipd.ctl", *words]
