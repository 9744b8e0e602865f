"""Pictures in the terminal: `clipctl search` with 20 photos of 12 megapixels, in windows that draw.

    python -m bench.previews

The window only reads what is drawn, so that no terminal's own time is counted.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from clipd.pocket.scenes import draw
from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal
from tests.daemon import album
from tests.daemon.conftest import Daemons
from tests.daemon.harness import Daemon

_PHOTOS = 20
_SIZE = (4000, 3000)
_REST_SECONDS = 11.0  # then the decoder has ended


def main() -> None:
    """Measure, and print a line for each."""
    with tempfile.TemporaryDirectory(prefix="clipd-bench-") as name, ExitStack() as running:
        pictures = _painted(Path(name) / "pictures")
        daemon = Daemons(Path(name), running).new([pictures]).start()
        daemon.wait_until(lambda: daemon.status()["photos"] == _PHOTOS, 300)
        daemon.wait_idle(300)
        _measure(daemon)


def _painted(folder: Path) -> Path:
    folder.mkdir()
    scenes = list(album.SEED.values())
    for number in range(_PHOTOS):
        small = draw(scenes[number % len(scenes)], number, (1000, 750))
        small.resize(_SIZE).save(folder / f"{number:02}.jpg", quality=88)
    return folder


def _measure(daemon: Daemon) -> None:
    _said("lines", daemon, "--preview off")
    _said("pixels, not kept", daemon, "--preview on", is_kept=False)
    _said("pixels, kept", daemon, "--preview on")
    time.sleep(_REST_SECONDS)
    _said("pixels, kept, the decoder has to start", daemon, "--preview on", turns=1)
    _said("half blocks, not kept", daemon, "--preview on", name="tmux-256color", is_kept=False)
    _said("half blocks, kept", daemon, "--preview on", name="tmux-256color")


def _said(
    what: str,
    daemon: Daemon,
    words: str,
    *,
    name: str = "xterm-kitty",
    is_kept: bool = True,
    turns: int = 9,
) -> None:
    took, size = [], 0
    for _ in range(turns):
        if not is_kept:
            shutil.rmtree(daemon.home / "cache" / "clipd" / "thumbnails", ignore_errors=True)
        terminal = DrawingTerminal(120, 50, is_blind=True)
        began = time.monotonic()
        line = f"clipctl search sunset --anyway {words}"
        terminal.run(Ctl(daemon.socket), line, TERM=name, COLORTERM="truecolor")
        took.append(time.monotonic() - began)
        size = len(terminal.raw)
    print(f"{what:40} {1000 * statistics.median(took):5.0f} ms {size / 1000:7.0f} kB", flush=True)


if __name__ == "__main__":
    main()
