"""A home with pictures, and `clipd bulk encode` run in it as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipd.bulk.part_source import reading_parts
from tests import processes
from tests.daemon import album
from tests.daemon.commands import program
from tests.daemon.wire import wait_until

SECONDS = 600.0
SCENES = ("sunset", "beach", "forest", "a cat")


@dataclass(frozen=True, slots=True)
class BulkHome:
    """One user's folders. Runs in it share what is prepared for this processor."""

    folder: Path
    runtime: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    out_name: str = "vectors"

    @property
    def photos(self) -> Path:
        """The folder of pictures."""
        return self.folder / "photos"

    @property
    def out(self) -> Path:
        """The folder of parts."""
        return self.folder / self.out_name

    def paint(self, count: int) -> None:
        """Add so many photos, each with bytes of its own."""
        for number in range(count):
            scene = SCENES[number % len(SCENES)]
            album.save(self.photos / f"{number % 7}" / f"{number:05d}.jpg", album.new(scene))

    def start(self, where: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a bulk run."""
        return subprocess.Popen(
            [*program("clipd.cli.command"), *self._words(where, *words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment_of(),
            cwd="/",
        )

    def run(self, where: str, *words: str, code: int = 0) -> dict[str, Any]:
        """Make a bulk run and wait for it; return what it said as JSON."""
        process = self.start(where, *words, "--json")
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == code, err.decode()
        assert b"Traceback" not in err, err.decode()
        told: dict[str, Any] = json.loads(out)
        return told

    def paths_done(self) -> list[bytes]:
        """Return the path of each row of the parts that there are."""
        with reading_parts(self.out) as source:
            pages = source.pages(1000, with_files=True)
            return sorted(photo.files[0].path for page in pages for photo in page)

    def paths(self) -> list[bytes]:
        """Return the paths of all pictures."""
        return sorted(os.fsencode(file) for file in self.photos.rglob("*.jpg"))

    def has_parts(self, count: int) -> bool:
        """Whether so many parts are there."""
        return len(list(self.out.glob("part-*.parquet"))) >= count

    def environment_of(self) -> dict[str, str]:
        """Return the environment of a run."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "CLIPD_", "RAY_"))
        }
        names = ("CONFIG", "STATE", "CACHE", "DATA")
        folders = {f"XDG_{name}_HOME": str(self.folder / name.lower()) for name in names}
        return {
            **kept,
            **folders,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "TMPDIR": str(self.runtime),
            **self.environment,
        }

    def _words(self, where: str, *words: str) -> list[str]:
        folders = [] if any(word.startswith("/") for word in words) else [str(self.photos)]
        options = ["--out", str(self.out), "--model", "pocket"]
        return ["bulk", "encode", where, *folders, *options, *words]


@contextmanager
def bulk_home(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[BulkHome]:
    """Make a home for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="clipd-") as runtime:
        yield BulkHome(folder, Path(runtime), environment or {})


def descendants(pid: int) -> list[processes.Process]:
    """List the processes below one, however deep."""
    found: list[processes.Process] = []
    for child in processes.children(pid):
        found += [child, *descendants(child.pid)]
    return found


def kill_all_at_once(process: subprocess.Popen[bytes]) -> None:
    """Kill a driver as the kernel would, and wait until all that it started has ended."""
    family = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=SECONDS)
    wait_until(
        lambda: not [one for one in family if one.is_alive],
        what=lambda: str([one.command for one in family if one.is_alive]),
    )
