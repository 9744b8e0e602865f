"""clipd on a GPU: `python -m bench.gpu [PHOTOS]`. What the card can, what comes out at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.decoders import decode_rate
from bench.inputs import ARCHITECTURE, random_weights, twelve_megapixels
from clipd.config.options import EncoderConfig, ModelConfig
from clipd.encode import openclip
from clipd.encode.handle import Encoder
from clipd.encode.models import resolve
from clipd.photo import ModelSpec, Pixels
from tests.daemon.harness import Daemon

_BATCHES = (32, 256)
_SECONDS = 0.3  # of each measurement of the card
_TEXTBOOK = 48  # photos for the loop, which is slow


def main(photos: int) -> None:
    """Measure the card, the encoder's process on it, and the whole daemon."""
    print(torch.cuda.get_device_name(), "torch", torch.__version__, os.cpu_count(), "cores")
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
        folder = Path(name)
        weights = folder / "weights.safetensors"
        random_weights(weights)
        spec = resolve(ModelConfig(name=ARCHITECTURE, checkpoint=weights), folder, folder / "cache")
        for precision in ("fp32", "bf16", "fp16"):
            _card(spec, precision)
        for batch in _BATCHES:
            _child(spec, folder / "cache", batch)
        twelve_megapixels(folder / "photos", photos)
        twelve_megapixels(folder / "few", _TEXTBOOK, seed=1)
        _loop(folder / "few", weights)
        files = sorted((folder / "photos").glob("*.jpg"))
        rates = {}
        for processes in sorted({8, len(os.sched_getaffinity(0))}):
            rates[processes] = decode_rate(files, processes, spec.preprocess)
            _say(f"{processes} decoders alone", f"{rates[processes]:.0f} photos/s")
        for processes, rate in rates.items():
            _daemon(folder, weights, processes, rate, photos)


def _card(spec: ModelSpec, precision: str) -> None:
    """Measure the bare model on pixels that are there, then with their way to the card."""
    model = openclip.load(spec, "cuda", precision)
    for size in _BATCHES:
        pixels = _pixels(spec, size)
        there = model.normalised(pixels).to(openclip.DTYPES[precision])
        bare = _rate(size, lambda there=there: _forward(model, there))
        page, pinned = torch.from_numpy(pixels), torch.from_numpy(pixels).pin_memory()
        moved = _rate(size, lambda page=page: page.to("cuda").sum().item())
        staged = _rate(size, lambda page=page: _staged(page).sum().item())
        ready = _rate(size, lambda pinned=pinned: _to_card(pinned).sum().item())
        whole = _rate(size, lambda pixels=pixels: model.images(pixels))
        _say(
            f"{precision}, batches of {size}",
            f"bare {bare:.0f}/s; from clipd's pixels {whole:.0f}/s; transfer alone: pageable"
            f" {moved:.0f}/s, through pinned {staged:.0f}/s, pinned before {ready:.0f}/s",
        )


def _forward(model: openclip.TorchModel, batch: torch.Tensor) -> None:
    module: Any = model.module
    with torch.inference_mode():
        module.encode_image(batch)
    torch.cuda.synchronize()


def _staged(page: torch.Tensor) -> torch.Tensor:
    return _to_card(page.pin_memory())


def _to_card(pinned: torch.Tensor) -> torch.Tensor:
    return pinned.to("cuda", non_blocking=True)


def _child(spec: ModelSpec, cache: Path, batch: int) -> None:
    """Measure the sealed process: its first text, then pixels through its socket."""
    with Encoder(spec, EncoderConfig(batch=batch), cache) as encoder:
        pixels = _pixels(spec, batch)
        began = time.perf_counter()
        encoder.encode_texts(["a photo"])
        first = time.perf_counter() - began
        for _ in range(3):
            encoder.encode_images(pixels)
        rate = _rate(batch, lambda: encoder.encode_images(pixels))
        status = encoder.status()
    seals = status.seals
    assert seals is not None
    _say(
        f"clipd's encoder, batches of {batch}",
        f"{rate:.0f}/s ({status.device}, {status.precision}{status.reason and ': '}"
        f"{status.reason}; Landlock {seals.landlock}, seccomp {seals.seccomp}), "
        f"first text after {first:.1f} s",
    )


def _loop(few: Path, weights: Path) -> None:
    command = [sys.executable, "-m", "bench.textbook", few, ARCHITECTURE, weights, "cuda"]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    _say("textbook loop on the card, 12-MP JPEGs", f"{float(said.split()[0]):.1f} photos/s")


def _daemon(folder: Path, weights: Path, processes: int, decode: float, photos: int) -> None:
    """Measure the whole daemon, from photo 100 on, and what it costs beside its children."""
    runtime = Path(tempfile.mkdtemp(prefix="clipd-", dir="/tmp"))
    home = Path(tempfile.mkdtemp(prefix="home-", dir=folder))
    daemon = Daemon(home, runtime, [])
    daemon.file.write_text(
        f'[model]\nname = "{ARCHITECTURE}"\ncheckpoint = "{weights}"\n'
        f"[decoder]\nprocesses = {processes}\n"
        f'[[roots]]\npath = "{folder / "photos"}"\n[power]\non_battery = "work"\n'
    )
    daemon.start()
    daemon.wait_until(lambda: daemon.status()["encoded"] >= 100, 120)
    first, at, cpu = daemon.status()["encoded"], time.perf_counter(), _cpu_seconds(daemon.pid)
    daemon.wait_until(lambda: daemon.status()["encoded"] >= photos, 120)
    rate = (photos - first) / (time.perf_counter() - at)
    own = 1000 * (_cpu_seconds(daemon.pid) - cpu) / (photos - first)
    status = daemon.status()
    encoder, problems = status["encoder"], status["problems"]
    daemon.stop()
    daemon.close()
    _say(
        f"the whole daemon, {processes} decoders",
        f"{rate:.0f} photos/s, {rate / decode:.2f} of its decoders alone; the daemon's own"
        f" processor time {own:.2f} ms a photo ({encoder['device']}, {encoder['precision']},"
        f" {problems})",
    )


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pixels(spec: ModelSpec, count: int) -> Pixels:
    side = spec.preprocess.side
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def _rate(size: int, action: Callable[[], object]) -> float:
    action()
    times, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < _SECONDS:
        action()
        times += 1
    return size * times / took


def _say(what: str, figure: str) -> None:
    print(f"{what:<40} {figure}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
