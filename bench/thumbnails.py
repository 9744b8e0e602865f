"""What 60 thumbnails at once cost indexing and queries: ``python -m bench.thumbnails``.

In turns of one run: photos are indexed and nothing else, and while 60 thumbnails are made.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.inputs import twelve_megapixels
from clipd.pocket.scenes import SCENES
from tests.daemon.harness import Daemon

_AT_ONCE = 60
_TURNS = 3
_TO_INDEX = 2200  # photos of 12 megapixels, enough for all turns
_PAUSE_SECONDS = 0.2  # between two queries


def main() -> int:
    """Measure, and print a line for each."""
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
        folder = Path(name)
        known, new = folder / "photos" / "known", folder / "new"
        twelve_megapixels(known, _AT_ONCE * _TURNS)
        twelve_megapixels(new, _TO_INDEX, seed=100)
        daemon = Daemon(folder / "home", _runtime(folder), [known.parent])
        try:
            daemon.start().wait_until(lambda: daemon.status()["encoded"] >= _AT_ONCE * _TURNS, 300)
            daemon.wait_idle()
            photos = [hit["photo"] for hit in daemon.search("sort:date")]
            daemon.search("sunset")  # the model is awake
            shutil.move(new, known.parent / "new")
            daemon.wait_until(lambda: daemon.status()["decoded"] >= len(photos) + 40, 120)
            _measure(daemon, photos)
            daemon.stop()
        finally:
            daemon.close()
    return 0


def _runtime(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="clipd-", dir=folder))


def _measure(daemon: Daemon, photos: list[int]) -> None:
    alone, beside, made = _Turn(), _Turn(), []
    for turn in range(_TURNS):
        asked = photos[turn * _AT_ONCE : (turn + 1) * _AT_ONCE]
        began = time.perf_counter()
        beside.take(daemon, lambda asked=asked: _draw(daemon, asked))  # type: ignore[misc]
        made.append(time.perf_counter() - began)
        alone.take(daemon, lambda: threading.Event().wait(made[-1]))
    assert daemon.status()["backlog"] > 0, "all is indexed: too few photos"
    _say("photos a second, nothing else", f"{statistics.median(alone.rates):.1f}")
    _say(f"while {_AT_ONCE} thumbnails are made", f"{statistics.median(beside.rates):.1f}")
    _say("", f"{statistics.median(beside.rates) / statistics.median(alone.rates):.2f} of it")
    _say(f"{_AT_ONCE} thumbnails stand after", f"{statistics.median(made):.1f} s")
    quiet, busy = statistics.median(alone.queries), statistics.median(beside.queries)
    _say("a new text, nothing else", f"{1000 * quiet:.0f} ms")
    _say("while thumbnails are made", f"{1000 * busy:.0f} ms, {busy / quiet:.2f} times")


class _Turn:
    """How fast photos and texts were while something went on."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.queries: list[float] = []

    def take(self, daemon: Daemon, work: Callable[[], object]) -> None:
        """Do something, and note how indexing and queries fare meanwhile."""
        before, began = daemon.status()["decoded"], time.perf_counter()
        with _asking(daemon, self.queries):
            work()
        self.rates.append((daemon.status()["decoded"] - before) / (time.perf_counter() - began))


_asked = iter(f"{one} and {other}" for one in SCENES for other in SCENES)


@contextmanager
def _asking(daemon: Daemon, took: list[float]) -> Iterator[None]:
    """Ask for new texts, one after the other."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(_PAUSE_SECONDS):
            began = time.perf_counter()
            daemon.search(next(_asked), n=20)
            took.append(time.perf_counter() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    yield
    over.set()
    asking.join()


def _draw(daemon: Daemon, photos: list[int]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda one: daemon.fetch(f"/v1/photos/{one}/thumbnail"), photos))


def _say(what: str, figure: str) -> None:
    print(f"{what:<48} {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
