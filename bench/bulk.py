"""Bulk encoding on this machine beside the daemon: `python -m bench.bulk [PHOTOS [SMALL]]`.

The same photos, the model in the box and all cores for each, in turn, several times over. What the
driver holds of many files measures `bench.bulk_files`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from bench.decoders import decode_rate
from bench.family import Family
from bench.inputs import small_photos, twelve_megapixels
from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.photo import ModelSpec
from tests.bulk.bulk_home import BulkHome
from tests.daemon.harness import Daemon

_ROUNDS = 3
_WARM_UP = 32  # photos that the daemon has done when its rate begins to count
_BATCHES = 40  # of encoding alone
_ACTORS = (1, 2)
_KINDS = {
    "/site-packages/ray/": "Ray",
    "decode_worker": "decoders",
    "encode_worker": "encoders",
    "convert_worker": "encoders",
    "ray::_Actor": "actors",
    "bulk encode": "driver",
    "clipd": "daemon",
}


@dataclass(slots=True)
class _Way:
    """One way to encode photos, and what it was measured to do, a value for each round."""

    rate: list[float] = field(default_factory=list)  # photos a second, once it works
    whole: list[float] = field(default_factory=list)  # seconds from its start to its end
    cpu_ms: list[dict[str, float]] = field(default_factory=list)  # of a core for a photo, by kind
    peak_mib: list[dict[str, float]] = field(default_factory=list)


def main(photos: int, small: int) -> None:
    """Measure photos of twelve megapixels, and small ones, with which the rest counts more."""
    with (
        tempfile.TemporaryDirectory(prefix="clipd-bench-") as name,
        tempfile.TemporaryDirectory(prefix="clipd-") as runtime,  # short: it holds sockets
    ):
        for what, count, make in (
            ("12 megapixels", photos, twelve_megapixels),
            ("160 x 120", small, small_photos),
        ):
            home = BulkHome(Path(name, what), Path(runtime))
            make(home.photos, count)
            print(f"{count:,} JPEGs of {what}", flush=True)
            _compare(home, count)
            print(f"load of the last quarter of an hour: {os.getloadavg()[2]:.1f}", flush=True)
            shutil.rmtree(home.folder)


def _compare(home: BulkHome, photos: int) -> None:
    cache = home.folder / "cache" / "clipd"
    spec = resolve(ModelConfig(name="pocket"), home.folder / "models", cache)
    ways: dict[str, tuple[_Way, Callable[[_Way], None]]] = {
        "daemon": (_Way(), lambda into: _daemon(home, photos, into)),
        **{
            f"bulk, {actors} actor(s)": (
                _Way(),
                lambda into, actors=actors: _bulk(home, photos, actors, into),  # type: ignore[misc]
            )
            for actors in _ACTORS
        },
    }
    decoding, encoding = [], []
    cache.mkdir(parents=True)
    with Encoder(spec, EncoderConfig(device="cpu"), cache) as encoder:
        encoder.encode_images(_pixels(spec))  # the model is converted once
    for _ in range(_ROUNDS):
        files = sorted(home.photos.rglob("*.jpg"))
        decoding.append(decode_rate(files, len(os.sched_getaffinity(0)), spec.preprocess))
        encoding.append(_encode_rate(spec, cache))
        for way, measure in ways.values():
            measure(way)
    first = ways["daemon"][0]
    for name, (way, _) in ways.items():
        print(_sentence(name, way, first), flush=True)
    print(
        f"decoders alone {median(decoding):.1f}/s, encoder alone {median(encoding):.1f}/s",
        flush=True,
    )


def _sentence(name: str, way: _Way, first: _Way) -> str:
    ratios = [one / other for one, other in zip(way.rate, first.rate, strict=True)]
    return (
        f"{name}: {median(way.rate):.1f} photos/s ({median(ratios):.2f} of the daemon's),"
        f" {median(way.whole):.0f} s in all; ms of a core a photo: {_by_kind(way.cpu_ms)};"
        f" most MiB: {_by_kind(way.peak_mib)}"
    )


def _by_kind(rounds: list[dict[str, float]]) -> str:
    kinds = sorted({kind for one in rounds for kind in one})
    middle = {kind: median(one.get(kind, 0.0) for one in rounds) for kind in kinds}
    whole = median(sum(one.values()) for one in rounds)
    return ", ".join([f"{whole:.1f}", *(f"{kind} {value:.1f}" for kind, value in middle.items())])


def _kind_of(command: str) -> str:
    return next((kind for word, kind in _KINDS.items() if word in command), "Ray")


def _daemon(home: BulkHome, photos: int, into: _Way) -> None:
    """Have a daemon without a catalog index all photos."""
    daemon = Daemon(home.folder, home.runtime, [home.photos], '[power]\non_battery = "work"')
    began = time.perf_counter()
    daemon.start()
    with Family(daemon.pid, _kind_of) as family:
        daemon.wait_until(lambda: daemon.status()["encoded"] >= _WARM_UP, 300)
        first, warm = daemon.status()["encoded"], time.perf_counter()
        daemon.wait_until(lambda: daemon.status()["encoded"] >= photos, 1800)
        into.rate.append((photos - first) / (time.perf_counter() - warm))
        daemon.wait_idle()
        into.whole.append(time.perf_counter() - began)
    _take(into, family, photos)
    daemon.stop()
    daemon.close()
    shutil.rmtree(daemon.state_folder())


def _bulk(home: BulkHome, photos: int, actors: int, into: _Way) -> None:
    """Have this machine alone encode all photos into a folder."""
    began = time.perf_counter()
    driver = home.start("local", f"--actors={actors}", "--json")
    with Family(driver.pid, _kind_of) as family:
        out, err = driver.communicate()
        into.whole.append(time.perf_counter() - began)
    told = json.loads(out)
    assert told["encoded"] == photos, err.decode()
    into.rate.append(photos / told["seconds"])
    _take(into, family, photos)
    shutil.rmtree(home.out)


def _take(into: _Way, family: Family, photos: int) -> None:
    into.cpu_ms.append({kind: 1000 * cpu / photos for kind, cpu in family.cpu_seconds.items()})
    into.peak_mib.append(family.peak_mib)


def _encode_rate(spec: ModelSpec, cache: Path) -> float:
    pixels = _pixels(spec)
    with Encoder(spec, EncoderConfig(device="cpu"), cache) as encoder:
        for _ in range(3):
            encoder.encode_images(pixels)
        began = time.perf_counter()
        for _ in range(_BATCHES):
            encoder.encode_images(pixels)
        return _BATCHES * len(pixels) / (time.perf_counter() - began)


def _pixels(spec: ModelSpec) -> np.ndarray:
    side, batch = spec.preprocess.side, EncoderConfig().batch
    return np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8)


if __name__ == "__main__":
    counts = [int(word) for word in sys.argv[1:]]
    main(*counts, *(1000, 4000)[len(counts) :])
