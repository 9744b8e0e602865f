"""What the driver of a bulk run holds of many files: `python -m bench.bulk_files [FILES...]`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clipd.bulk.part_folder import MOST_ROWS, writing_parts
from clipd.bulk.photo_list import PhotoList
from clipd.bulk.workload import Workload
from clipd.config.options import Config, ModelConfig
from clipd.encode.models import resolve
from clipd.photo import ModelSpec
from clipd.store.vector_file import PortableFile, PortablePhoto
from clipd.store.vectors import pack
from tests.bulk.bulk_home import BulkHome

_A_FOLDER = 1000
_BATCH = 32


def main(counts: Sequence[int]) -> None:
    """Print what so many files cost, each number in a process of its own."""
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name:
            home = BulkHome(Path(name), Path(name))
            _make(home.photos, count, _A_FOLDER)
            spread = _listed(home.photos)
            known = _known(home, count)
            shutil.rmtree(home.photos)
            _make(home.photos, count, count)
            flat = _listed(home.photos)
        print(
            f"{count:,} files: listed in folders of {_A_FOLDER:,} {spread}, in one folder {flat};"
            f" a run that finds all of them in parts: {known}",
            flush=True,
        )


def _make(folder: Path, count: int, a_folder: int) -> None:
    for number in range(count):
        place = folder / f"{number // a_folder:05d}"
        if number % a_folder == 0:
            place.mkdir(parents=True)
        (place / f"IMG_{number:08d}.jpg").touch()


def _listed(folder: Path) -> str:
    """Have all files handed out in batches, and forgotten, as those of a cluster are."""
    command = [sys.executable, "-m", "bench.bulk_files", "--list", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _list(folder: Path) -> None:
    unlisted: list[object] = []
    before, began = _peak_mib(), time.perf_counter()
    workload = Workload(PhotoList(Config(), (folder,)).files(unlisted.append), _BATCH)
    while workload.take(has_nothing=True):
        workload.finish()
    assert workload.is_done
    assert not unlisted
    print(f"+{_peak_mib() - before:.1f} MiB, {time.perf_counter() - began:.1f} s")


def _known(home: BulkHome, count: int) -> str:
    """Make parts as if all files had been encoded, and run the command."""
    spec = resolve(ModelConfig(name="pocket"), home.folder / "models", home.folder / "cache")
    unlisted: list[object] = []
    files = PhotoList(Config(), (home.photos,)).files(unlisted.append)
    with writing_parts(home.out, spec) as parts:
        for number, file in enumerate(files, 1):
            parts.add([_photo(file, number, spec)], ())
            if number % MOST_ROWS == 0:
                parts.publish()
        parts.publish()
    began = time.perf_counter()
    driver = home.start("local", "--json")
    _, status, usage = os.wait4(driver.pid, 0)
    driver.returncode = os.waitstatus_to_exitcode(status)
    out, err = driver.communicate()
    assert f'"known": {count}' in out.decode().replace(":", ": ").replace("  ", " "), err.decode()
    seconds = time.perf_counter() - began
    return f"{usage.ru_maxrss / 1024:.0f} MiB at most, {seconds:.1f} s"


def _photo(file: PortableFile, number: int, spec: ModelSpec) -> PortablePhoto:
    vector = np.random.default_rng(number).normal(size=spec.dim).astype(np.float32)
    content = number.to_bytes(16, "big")
    rest = (4000, 3000, "JPEG", "", None, pack(vector / np.linalg.norm(vector)), (file,))
    return PortablePhoto(content, *rest)


def _peak_mib() -> float:
    """Return the most memory that this process has had (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("no VmHWM")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--list"]:
        _list(Path(sys.argv[2]))
    else:
        main([int(word) for word in sys.argv[1:]] or [1000, 30_000, 300_000])
