"""``make demo-ray``: a bulk run on a small Ray cluster of this machine, and what follows of it."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from pathlib import Path

from clipd.cli.demo import SCENES, interrupt
from clipd.cli.demo_daemon import DemoDaemon, DemoError, step
from clipd.cli.sample_photos import sample_photos
from clipd.ctl import failures
from clipd.errors import ClipdError
from clipd.pocket.scenes import draw

_PHOTOS = 100


def main() -> int:
    """Run the demo; return 0 when nothing was left for the daemon to encode."""
    signal.signal(signal.SIGTERM, interrupt)
    folder = Path(tempfile.mkdtemp(prefix="clipd-demo-"))
    try:
        _show(DemoDaemon(folder))
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is left running", file=sys.stderr)
        return failures.INTERRUPTED
    except ClipdError as error:
        return failures.tell(error, "demo-ray", as_json=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("the daemon had nothing to decode or encode")
    return 0


def _show(demo: DemoDaemon) -> None:
    photos, vectors = demo.folder / "photos", demo.folder / "vectors"
    with step(f"painted {_PHOTOS} photos into {photos}"):
        _paint(photos)
    demo.configure(photos)
    with step("encoded them on a Ray cluster of this machine"):
        demo.show(f"clipd bulk encode local {photos} --out {vectors} --config {demo.config}")
    with step("took the vectors into a catalog"):
        demo.show(f"clipd vectors import {vectors} --config {demo.config}")
    with demo.running(keep=False):
        demo.show("clipctl status --wait")
        status = demo.status()
        print(f"{status['decoded']} decoded, {status['encoded']} encoded", flush=True)
        demo.show('clipctl search "sunset" -n 3')
    if (status["decoded"], status["encoded"]) != (0, 0):
        raise DemoError("the daemon decoded or encoded what the cluster had encoded")


def _paint(folder: Path) -> None:
    folder.mkdir()
    for number in range(_PHOTOS):
        scene = SCENES[number % len(SCENES)]
        draw(scene, 20_000 + number).save(folder / f"{number:03d} {scene}.jpg", quality=90)
    for file in sample_photos():
        shutil.copy(file, folder)


if __name__ == "__main__":
    sys.exit(main())
