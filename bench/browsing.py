"""What the page costs with 100,000 photos, in a real browser.

`python -m bench.browsing [PHOTOS]`, with chromium and playwright.

The photos are a few painted pictures of 12 megapixels under many names: hard links, of which the
catalog knows each as a content of its own, so that each has a thumbnail to be made.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from clipd.config.options import ModelConfig
from clipd.encode.models import resolve
from clipd.photo import Meta, ModelSpec, Vectors
from clipd.pocket.scenes import SCENES, draw
from clipd.store.catalog import Catalog
from clipd.store.reader import CatalogReader
from clipd.watch.statx import stat_with_birth
from tests.daemon.harness import Daemon

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PHOTOS = 100_000
_MASTERS = 30  # pictures that are really painted
_LARGE = (4000, 3000)
_A_FOLDER = 500  # photos
_BURSTS = 20  # of so many photos one begins a burst of four
_QUERIES = tuple(SCENES[:24])
_LOADS = 20
_SCROLLED = 10_000  # hits
_WAIT_MS = 120_000
_CACHE = ("cache", "clipd", "thumbnails")

# Asks as a person would who pressed Enter, and waits until the pictures in sight are there.
_ASK = """async (query) => {
  const box = document.querySelector("#query");
  const before = document.querySelector("#grid li");
  box.value = query;
  const began = performance.now();
  document.querySelector("#ask").requestSubmit();
  const frame = () => new Promise(requestAnimationFrame);
  while (document.querySelector("#grid li") === before) await frame();
  const answered = performance.now() - began;
  const inSight = () => [...document.querySelectorAll(".tile img")]
    .filter((one) => one.getBoundingClientRect().top < innerHeight);
  const top = inSight()[0].getBoundingClientRect().top;
  const row = inSight().filter((one) => one.getBoundingClientRect().top === top);
  const stands = (all) => all.every((one) => one.complete && one.naturalWidth > 0);
  while (!stands(row)) await frame();
  const first = performance.now() - began;
  while (!stands(inSight())) await frame();
  return { answered, first, all: performance.now() - began, count: inSight().length };
}"""

_WATCH_FRAMES = """() => {
  window.long = [];
  window.frames = [];
  const note = (list) => window.long.push(...list.getEntries().map((one) => one.duration));
  new PerformanceObserver(note).observe({ type: "longtask" });
  let last = performance.now();
  const tick = (now) => {
    window.frames.push(now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}"""


_WEIGHT = """() => [...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource").filter((one) => one.name.includes("/static/"))]
  .reduce((sum, one) => sum + one.transferSize, 0)"""

_LAST_SEEN = """() => {
  const items = [...document.querySelectorAll("#grid li")]
    .filter((one) => one.getBoundingClientRect().top < innerHeight);
  return Number(items.at(-1)?.getAttribute("aria-posinset")
    ?? [...document.querySelectorAll("#grid li")].indexOf(items.at(-1)) + 1);
}"""


def main() -> int:
    """Measure, and print a line for each."""
    photos = int(sys.argv[1]) if len(sys.argv) > 1 else _PHOTOS
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name, browsing() as browser:
        daemon = library(Path(name), photos)
        try:
            first_paint(daemon, browser)
            first_thumbnails(daemon, browser)
            scrolling(daemon, browser)
            daemon.stop()
        finally:
            daemon.close()
    return 0


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start Chromium as the system has it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium here: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def library(folder: Path, photos: int) -> Daemon:
    """Start a daemon that knows so many photos."""
    spec = resolve(ModelConfig(name="pocket"), folder / "models", folder / "cache")
    masters = _painted(folder / "masters" / "photos")
    vectors = _vectors(folder / "masters", masters, spec)
    files = _linked(masters, folder / "photos", photos)
    daemon = _daemon(folder / "home", folder / "photos")
    daemon.state_folder().mkdir(parents=True)
    _fill(daemon.state_folder() / "catalog.sqlite", spec, folder / "photos", files, vectors)
    daemon.start().wait_idle(300)
    assert daemon.status()["photos"] == photos, daemon.status()
    return daemon


def _painted(folder: Path) -> list[Path]:
    folder.mkdir(parents=True)
    grain = np.random.default_rng(0).normal(0, 4, (*reversed(_LARGE), 1))
    files = []
    for number in range(_MASTERS):
        small = draw(SCENES[number % len(SCENES)], seed=9_000 + number)
        pixels = np.asarray(small.resize(_LARGE, Image.Resampling.BICUBIC)) + grain
        files.append(folder / f"{number:03d}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(files[-1], quality=88)
    return files


def _vectors(folder: Path, files: Sequence[Path], spec: ModelSpec) -> Vectors:
    """Have a daemon make the vectors of the painted pictures."""
    daemon = _daemon(folder / "home", files[0].parent)
    daemon.start().wait_until(lambda: daemon.status()["encoded"] >= len(files), 300)
    daemon.stop()
    daemon.close()
    catalog = Catalog.open(daemon.state_folder() / "catalog.sqlite")
    with catalog.writing():
        model = catalog.model(spec)
    catalog.close()
    reader = CatalogReader(daemon.state_folder() / "catalog.sqlite")
    rows = [
        reader.vectors.of_photo(model, reader.photo_at(os.fsencode(file)) or 0) for file in files
    ]
    reader.close()
    return np.stack([row for row in rows if row is not None])


def _daemon(home: Path, root: Path) -> Daemon:
    runtime = Path(tempfile.mkdtemp(prefix="clipd-", dir=home.parent))
    return Daemon(home, runtime, [root], '[power]\non_battery = "work"\n')


def _linked(masters: Sequence[Path], root: Path, photos: int) -> list[Path]:
    """Give the painted pictures many names; return these, the nth of the master n % _MASTERS."""
    files = []
    for number in range(photos):
        folder = root / f"{number // _A_FOLDER:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        files.append(folder / f"IMG_{number:06d}.jpg")
        os.link(masters[number % len(masters)], files[-1])
    return files


def _fill(file: Path, spec: ModelSpec, root: Path, files: Sequence[Path], masters: Vectors) -> None:
    """Have a catalog know the photos; each has the vector of its picture and some noise."""
    rng = np.random.default_rng(1)
    catalog = Catalog.open(file)
    with catalog.writing():
        model = catalog.model(spec)
        root_id = catalog.root(os.fsencode(root))
    for start in range(0, len(files), 1000):
        page = files[start : start + 1000]
        with catalog.writing():
            for number, path in enumerate(page, start):
                photo = catalog.add_photo(number.to_bytes(16, "big"), *_LARGE, "JPEG", "", 0)
                # Three in a row of the same picture, as far as clipd can see, are a burst.
                of_burst = number % _BURSTS in (1, 2, 3)
                if not of_burst:
                    noisy = masters[number % len(masters)] + rng.normal(0, 0.025, spec.dim)
                vector = noisy + rng.normal(0, 0.001, spec.dim)
                taken = datetime(2010, 1, 1) + timedelta(minutes=number)
                meta = Meta(taken=taken.isoformat(), taken_from="exif", has_exif=True)
                catalog.put_meta(photo, meta)
                seen = stat_with_birth(os.fsencode(path)).fingerprint
                catalog.put_path(root_id, os.fsencode(path), seen, photo)
                unit = (vector / np.linalg.norm(vector)).astype(np.float32)
                catalog.put_vector(model, photo, unit)
    catalog.close()


@contextmanager
def opened(daemon: Daemon, browser: Browser, query: str = "") -> Iterator[Page]:
    """Open the page in a browser that has seen nothing yet."""
    said = json.loads(daemon.ctl("browse", "--json", query).stdout)
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.set_default_timeout(_WAIT_MS)
        page.goto(Path(said["file"]).as_uri())
        page.wait_for_selector("#grid li")
        yield page
    finally:
        context.close()
        os.kill(said["pid"], signal.SIGTERM)


def first_paint(daemon: Daemon, browser: Browser) -> None:
    """From the request for the page to its first paint, and what it weighs."""
    paints = []
    with opened(daemon, browser) as page:
        for _ in range(_LOADS):
            page.reload()
            page.wait_for_selector("#grid li")
            paints.append(
                page.evaluate(
                    "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
                )
            )
        weight = page.evaluate(_WEIGHT)
    _say("first paint of the page", _spread(paints))
    _say("the page without photos", f"{weight / 1000:.1f} KB")


def first_thumbnails(daemon: Daemon, browser: Browser) -> None:
    """From Enter to the pictures in sight, that are to be made and that are kept."""
    daemon.search("sunset")  # the model is awake
    shutil.rmtree(daemon.home.joinpath(*_CACHE), ignore_errors=True)
    for state in ("to be made", "kept"):
        with opened(daemon, browser) as page:
            if state == "to be made":
                shutil.rmtree(daemon.home.joinpath(*_CACHE), ignore_errors=True)
            told = [page.evaluate(_ASK, query) for query in _QUERIES]
        _say(f"Enter to hits, thumbnails {state}", _spread([one["answered"] for one in told]))
        _say("to the first row of thumbnails", _spread([one["first"] for one in told]))
        count = round(statistics.mean(one["count"] for one in told))
        _say(f"to all {count} in sight", _spread([one["all"] for one in told]))


def scrolling(daemon: Daemon, browser: Browser) -> None:
    """Wheel through 10,000 hits."""
    with opened(daemon, browser) as page:
        page.evaluate(_WATCH_FRAMES)
        seen, still = 0, 0
        while seen < _SCROLLED and still < 600:
            before = page.evaluate("() => scrollY")
            page.mouse.wheel(0, 600)
            page.wait_for_timeout(16)
            still = still + 1 if page.evaluate("() => scrollY") == before else 0
            seen = page.evaluate(_LAST_SEEN)
        told = page.evaluate(
            "() => ({long: window.long, frames: window.frames, nodes: document.all.length,"
            " heap: performance.memory?.usedJSHeapSize ?? 0})"
        )
    _say("hits scrolled through", f"{seen:,}")
    _say("tasks over 50 ms", f"{len(told['long'])}, longest {max(told['long'], default=0):.0f} ms")
    _say("frames", _spread(told["frames"]))
    _say("elements of the page at the end", f"{told['nodes']:,}")
    _say("memory of scripts", f"{told['heap'] / 2**20:.0f} MiB")


def _spread(readings: Sequence[float]) -> str:
    ordered = sorted(readings)
    p95 = ordered[max(0, round(0.95 * len(ordered)) - 1)]
    return f"median {statistics.median(ordered):.0f} ms, p95 {p95:.0f} ms"


def _say(what: str, figure: str) -> None:
    print(f"{what:<48} {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
