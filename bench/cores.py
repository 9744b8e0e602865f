"""Photos per second by cores and precision: `python -m bench.cores`, which writes a plot too.

Every number of cores is measured in a process of its own that may use no more than those.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from bench.decoders import decode_rate
from bench.inputs import ARCHITECTURE, random_weights, twelve_megapixels
from bench.plot import bars
from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode.compiled import find, homes_of
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.photo import ModelSpec, Pixels
from tests.daemon.harness import Daemon

PLOT = Path(__file__).parents[1] / "docs" / "speed.svg"
_PHOTOS_A_CORE = 128
_TEXTBOOK_A_CORE = 16
_ROUNDS = 3
_WARM_UP = 32  # photos, in which children start and slices find their size
_SECONDS = 3.0  # of encoding alone
_PRECISIONS = ("auto", "int8")


@dataclass(frozen=True, slots=True)
class Split:
    """How many decoders work beside how many threads of the encoder; 0: as clipd chooses."""

    decoders: int
    threads: int


AS_CHOSEN = Split(0, 0)


@dataclass(frozen=True, slots=True)
class Rates:
    """Photos per second of one way to index, on so many cores."""

    cores: int
    precision: str
    textbook: float
    textbook_ms: float  # of a core, for one photo; other work hardly changes that
    decode: float  # the decoders alone, on all cores
    encode: float  # the encoder alone, on all cores
    daemon: float
    daemon_ms: float  # of a core, with all children

    @property
    def ideal(self) -> float:
        """What cores that are never idle and lose nothing could do."""
        return 1 / (1 / self.decode + 1 / self.encode)


def main() -> None:
    """Measure on one core, on two and so on; print a line for each way, and plot them."""
    found: list[Rates] = []
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
        folder = Path(name)
        cpus = sorted(os.sched_getaffinity(0))
        random_weights(folder / "weights.safetensors")
        twelve_megapixels(folder / "photos", _PHOTOS_A_CORE * len(cpus))
        twelve_megapixels(folder / "few", _TEXTBOOK_A_CORE * len(cpus), seed=1)
        prepare(folder)
        for count in _counts(len(cpus)):
            some = ",".join(map(str, cpus[:count]))
            command = ["taskset", "-c", some, sys.executable, "-m", "bench.cores", str(folder)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            for line in done.stdout.splitlines():
                if line.startswith("{"):
                    found.append(Rates(**json.loads(line)))
                    print(_sentence(found[-1]), flush=True)
    PLOT.write_text(_plot(found))


def _counts(most: int) -> Iterator[int]:
    count = 1
    while count < most:
        yield count
        count *= 2
    yield most


def _sentence(rates: Rates) -> str:
    share = rates.daemon / rates.ideal
    bound = "encoding" if rates.encode < rates.decode else "decoding"
    return (
        f"{rates.cores} core(s), {rates.precision}: {rates.daemon:.1f} photos/s,"
        f" {rates.daemon / rates.textbook:.2f}x the textbook loop ({rates.textbook:.2f});"
        f" decoders alone {rates.decode:.1f}, encoder alone {rates.encode:.1f}:"
        f" {share:.2f} of what both can, bound by {bound};"
        f" {rates.daemon_ms:.1f} ms of a core a photo, the loop {rates.textbook_ms:.1f}:"
        f" {rates.textbook_ms / rates.daemon_ms:.2f}x"
    )


def _plot(found: list[Rates]) -> str:
    groups: dict[str, dict[str, float]] = {}
    for one in found:
        name = f"{one.cores} core" + ("s" if one.cores > 1 else "")
        group = groups.setdefault(name, {"textbook loop": one.textbook})
        group[f"clipd, {one.precision}"] = one.daemon
    return bars("Photos per second: 12-megapixel JPEGs, ViT-B-32", groups)


def measure(folder: Path) -> None:
    """Measure on the cores that this process may use; print a JSON line for each precision.

    Everything in turn, several times over, so that each meets the same machine.
    """
    weights, cores = folder / "weights.safetensors", len(os.sched_getaffinity(0))
    spec, cache = _model(folder)
    few = sorted((folder / "few").glob("*.jpg"))[: _TEXTBOOK_A_CORE * cores]
    files = sorted((folder / "photos").glob("*.jpg"))[: _PHOTOS_A_CORE * cores]
    loop: list[tuple[float, float]] = []
    decode: list[float] = []
    encode: dict[str, list[float]] = {}
    daemon: dict[str, list[tuple[float, float]]] = {}
    for _ in range(_ROUNDS):
        loop.append(_textbook(few, weights))
        decode.append(decode_rate(files, cores, spec.preprocess))
        for wanted in _PRECISIONS:
            alone = _encode_rate(spec, cache, wanted)
            precision, *figures = daemon_rate(folder, weights, files, wanted)
            encode.setdefault(precision, []).append(alone)
            daemon.setdefault(precision, []).append((figures[0], figures[1]))
    for precision, figures_of in daemon.items():
        textbook, textbook_ms = (median(column) for column in zip(*loop, strict=True))
        whole, whole_ms = (median(column) for column in zip(*figures_of, strict=True))
        alone = median(encode[precision])
        rates = Rates(
            cores, precision, textbook, textbook_ms, median(decode), alone, whole, whole_ms
        )
        print(json.dumps(asdict(rates)), flush=True)


def _model(folder: Path) -> tuple[ModelSpec, Path]:
    cache = folder / "home" / "cache" / "clipd"
    weights = folder / "weights.safetensors"
    return resolve(ModelConfig(name=ARCHITECTURE, checkpoint=weights), folder, cache), cache


def prepare(folder: Path) -> None:
    """Have the model converted, and int8 tried."""
    spec, cache = _model(folder)
    config = EncoderConfig(device="cpu", precision="int8", idle_unload=0.1)
    _, refined = homes_of(spec, config.precision, cache)
    with Encoder(spec, config, cache) as encoder:
        pixels = _pixels(64)
        for start in range(0, len(pixels), 4):
            encoder.encode_images(pixels[start : start + 4])
        deadline = time.monotonic() + 600
        while find(refined, cache) is None:
            assert time.monotonic() < deadline, "int8 was not prepared in ten minutes"
            time.sleep(0.5)


def _pixels(count: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), np.uint8)


def _textbook(files: list[Path], weights: Path) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=weights.parent) as folder:
        for file in files:
            (Path(folder) / file.name).symlink_to(file)
        command = [sys.executable, "-m", "bench.textbook", folder, ARCHITECTURE, str(weights)]
        done = subprocess.run(command, check=True, capture_output=True)
    rate, cpu_ms = done.stdout.split()
    return float(rate), float(cpu_ms)


def _encode_rate(spec: ModelSpec, cache: Path, wanted: str) -> float:
    config = EncoderConfig(device="cpu", precision=wanted)  # type: ignore[arg-type]
    pixels = _pixels(32)
    with Encoder(spec, config, cache) as encoder:
        for _ in range(3):
            encoder.encode_images(pixels)
        done, began = 0, time.perf_counter()
        while time.perf_counter() - began < _SECONDS:
            encoder.encode_images(pixels)
            done += len(pixels)
        return done / (time.perf_counter() - began)


def daemon_rate(
    folder: Path, weights: Path, files: list[Path], wanted: str, split: Split = AS_CHOSEN
) -> tuple[str, float, float]:
    """Return the precision that a daemon computed in, photos a second, ms of a core for one.

    Args:
        folder: where `prepare` was given.
        weights: of the model.
        files: photos, linked into a folder that the daemon watches.
        wanted: ``encoder.precision``.
        split: of the cores among decoders and encoder.
    """
    root, home = folder / "root", folder / "home"
    root.mkdir()
    for file in files:
        os.link(file, root / file.name)
    daemon = Daemon(home, Path(tempfile.mkdtemp(prefix="clipd-", dir="/tmp")), [])
    daemon.file.write_text(
        f'[model]\nname = "{ARCHITECTURE}"\ncheckpoint = "{weights}"\n'
        f'[encoder]\nprecision = "{wanted}"\nthreads = {split.threads}\n'
        f"[decoder]\nprocesses = {split.decoders}\n"
        f'[[roots]]\npath = "{root}"\n[power]\non_battery = "work"\n'
    )
    daemon.start()
    daemon.wait_until(lambda: daemon.status()["encoded"] >= _WARM_UP, 300)
    first, began, cpu = daemon.status()["encoded"], time.perf_counter(), _cpu_seconds(daemon)
    daemon.wait_until(lambda: daemon.status()["encoded"] >= len(files), 600)
    rate = (len(files) - first) / (time.perf_counter() - began)
    cpu_ms = 1000 * (_cpu_seconds(daemon) - cpu) / (len(files) - first)
    precision = str(daemon.status()["encoder"]["precision"])
    daemon.stop()
    daemon.close()
    shutil.rmtree(root)
    shutil.rmtree(home / "state")
    return precision, float(rate), cpu_ms


def _cpu_seconds(daemon: Daemon) -> float:
    """Return the processor time of a daemon and all its children, those that have ended too."""
    fields = [
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        for pid in (daemon.pid, *(child.pid for child in daemon.family()))
    ]
    ticks = sum(int(own[11]) + int(own[12]) for own in fields)
    return (ticks + int(fields[0][13]) + int(fields[0][14])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        main()
