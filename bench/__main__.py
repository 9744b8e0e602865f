"""Measure clipd against the loop of the textbook, and against what it promises."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.encoder import encoder
from bench.inputs import (
    ARCHITECTURE,
    fill_catalog,
    random_weights,
    small_photos,
    twelve_megapixels,
)
from bench.metadata import metadata_costs
from clipd.config.options import ModelConfig
from clipd.encode.models import resolve
from clipd.pocket.scenes import draw
from tests.daemon.harness import Daemon

_LARGE = 320  # photos of 12 megapixels
_TEXTBOOK = 64  # of them for the loop, which is slow
_SMALL = 10_000
_MANY = 100_000
_FRESH = 20


def main() -> int:
    """Run every measurement and print a line for each."""
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
        folder = Path(name)
        encoder(folder / "encoder")
        throughput(folder / "throughput")
        latency(folder / "latency")
        everyday(folder / "everyday")
        metadata(folder / "metadata")
    return 0


def throughput(folder: Path) -> None:
    """Photos per second through the whole daemon, against the loop of the textbook."""
    photos, few, weights = folder / "photos", folder / "few", folder / "weights.safetensors"
    twelve_megapixels(photos, _LARGE)
    twelve_megapixels(few, _TEXTBOOK, seed=1)
    random_weights(weights)
    loop = float(
        subprocess.run(
            [sys.executable, "-m", "bench.textbook", few, ARCHITECTURE, weights],
            check=True,
            capture_output=True,
        ).stdout.split()[0]
    )
    model = f'[model]\nname = "{ARCHITECTURE}"\ncheckpoint = "{weights}"\n'
    daemon = _daemon(folder, [photos], model)
    began = time.perf_counter()
    daemon.start()
    _until(lambda: daemon.status()["encoded"] >= 32)
    first, at = daemon.status()["encoded"], time.perf_counter()
    daemon.wait_until(lambda: daemon.status()["encoded"] >= _LARGE, 600)
    rate = (_LARGE - first) / (time.perf_counter() - at)
    whole = _LARGE / (time.perf_counter() - began)
    precision = daemon.status()["encoder"]["precision"]
    daemon.stop()
    daemon.close()
    _say("textbook loop, 12-MP JPEGs", f"{loop:.1f} photos/s")
    _say("clipd, the same", f"{rate:.1f} photos/s ({precision}), {rate / loop:.1f}x")
    _say(f"clipd, from its start to photo {_LARGE}", f"{whole:.1f} photos/s")


def latency(folder: Path) -> None:
    """A warm `clipctl search` among 100k photos, over an empty Python."""
    home = folder / "home"
    spec = resolve(ModelConfig(name="pocket"), folder / "models", folder / "cache")
    (home / "state" / "clipd").mkdir(parents=True)
    fill_catalog(home / "state" / "clipd" / "catalog.sqlite", spec, folder / "gone", _MANY)
    daemon = _daemon(folder, [folder / "gone"])
    began = time.perf_counter()
    daemon.start()
    started = time.perf_counter() - began
    daemon.search("sunset", n=10)
    empty = _median(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), 15)
    search = _median(lambda: daemon.ctl("search", "sunset"), 15)
    inside = statistics.median(
        json.loads(daemon.ctl("search", "sunset", "--json").stdout)["took_ms"] for _ in range(15)
    )
    _say(f"start with {_MANY} photos, no snapshot", f"{started:.2f} s")
    _say("warm clipctl search over python -c pass", f"{1000 * (search - empty):.0f} ms")
    _say("of this, in the daemon", f"{inside:.1f} ms")
    daemon.stop()
    daemon.close()


def everyday(folder: Path) -> None:
    """Index, save, rename and rest with 10,000 photos."""
    photos = folder / "photos"
    small_photos(photos / "year", _SMALL)
    daemon = _daemon(folder, [photos], '[model]\nname = "pocket"\n[encoder]\nidle_unload = "20s"\n')
    began = time.perf_counter()
    daemon.start()
    daemon.wait_until(lambda: daemon.status()["photos"] >= _SMALL, 900)
    _say(f"{_SMALL} small photos indexed (pocket)", f"{time.perf_counter() - began:.0f} s")
    daemon.wait_idle()
    waits = sorted(_fresh(daemon, photos, number) for number in range(_FRESH))
    p95 = waits[int(0.95 * len(waits)) - 1]
    _say("saved to searchable", f"median {statistics.median(waits):.2f} s, p95 {p95:.2f} s")
    before = daemon.status()
    began = time.perf_counter()
    (photos / "year").rename(photos / "renamed")
    new = str(photos / "renamed")
    daemon.wait_until(lambda: _lies_in(daemon, new), 300)
    daemon.wait_idle(300)
    after = daemon.status()
    took = time.perf_counter() - began
    decodes = after["decoded"] - before["decoded"]
    _say(f"a folder of {_SMALL} renamed", f"{took:.1f} s, {decodes} decodes")
    daemon.wait_until(lambda: not daemon.family(), 120)
    children = len(daemon.family())
    _say("resting", f"{_resident_mib(daemon.pid):.0f} MiB resident, {children} children")
    daemon.stop()
    daemon.close()


def metadata(folder: Path) -> None:
    """Read what photos say of themselves, beside decoding them and without."""
    costs = metadata_costs(folder)
    _say("a 12-MP JPEG decoded, with its metadata", f"{costs.decode_ms:.1f} ms")
    _say("of this, its metadata", f"{costs.headers_ms:.2f} ms")
    _say("of this, its sharpness", f"{costs.sharpness_ms:.2f} ms")
    _say("the place of a position", f"{costs.place_ms:.2f} ms")
    _say("old photos asked, beside searches", f"{costs.pass_rate:.0f} photos/s")
    _say(f"{_MANY} photos of 0.1 migrated", f"{costs.migration_seconds:.1f} s")


def _fresh(daemon: Daemon, photos: Path, number: int) -> float:
    name = f"fresh{number}.jpg"
    draw("sunset", 500_000 + number).save(photos / name)
    began = time.perf_counter()
    _until(lambda: any(hit["path"].endswith(name) for hit in daemon.search("sunset", n=1000)))
    return time.perf_counter() - began


def _lies_in(daemon: Daemon, folder: str) -> bool:
    return all(
        hit["path"].startswith(folder) or "fresh" in hit["path"]
        for hit in daemon.search("a picture", n=1000)
    )


def _daemon(folder: Path, roots: list[Path], model: str = '[model]\nname = "pocket"\n') -> Daemon:
    runtime = Path(tempfile.mkdtemp(prefix="clipd-", dir=folder.parent))
    daemon = Daemon(folder / "home", runtime, roots)
    lines = [f"[[roots]]\npath = {json.dumps(str(root))}" for root in roots]
    daemon.file.write_text("\n".join([model, *lines]) + '\n[power]\non_battery = "work"\n')
    return daemon


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon did not get there in ten minutes")


def _median(action: Callable[[], object], times: int) -> float:
    action()
    readings = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        readings.append(time.perf_counter() - began)
    return statistics.median(readings)


def _resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no VmRSS of {pid}")


def _say(what: str, figure: str) -> None:
    print(f"{what:<48} {figure}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
