"""Pictures in the terminal, of the real daemon, read back from what was drawn."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.ctl.conftest import Ctl
from tests.ctl.drawing_terminal import DrawingTerminal, Kind
from tests.ctl.screen import Screen
from tests.daemon import album
from tests.daemon.conftest import Daemons, FirstCrawl
from tests.daemon.harness import Daemon
from tests.daemon.wire import wait_until

pytestmark = pytest.mark.slow
# Mean difference of a colour, of 255: of two ways to make a photo small, and of 256 colours.
CLOSE, IN_256_COLOURS = 6.0, 25.0


@pytest.fixture
def photos(shared: Daemon, folder: Path) -> Path:
    """The seed pictures, copied into the shared library and found."""
    shared.wait_found(album.fill(folder), album.SEED)
    return folder


def searched(
    shared: Daemon, photos: Path, terminal: DrawingTerminal, words: str, **environment: str
) -> Screen:
    """Search in a folder for its photos."""
    line = f"cd '{photos}'; clipctl {words} in:. --anyway"
    return terminal.run(Ctl(shared.socket), line, **environment)


def difference(name: str, drawn: NDArray[np.uint8]) -> float:
    """Compare what was drawn with a seed picture of the same size."""
    photo = Image.open(io.BytesIO(album.picture(album.SEED[name])))
    wanted = np.asarray(photo.resize(drawn.shape[1::-1]), np.int16)
    return float(np.abs(wanted - drawn).mean())


@pytest.mark.parametrize(("columns", "tile"), [(40, 19), (80, 25), (200, 20)])
@pytest.mark.parametrize(("colours", "most"), [("truecolor", CLOSE), ("", IN_256_COLOURS)])
def test_half_blocks_show_the_photos(
    shared: Daemon, photos: Path, columns: int, tile: int, colours: str, most: float
) -> None:
    terminal = DrawingTerminal(columns, kind="plain")
    words = "sunset --preview on"
    screen = searched(shared, photos, terminal, words, COLORTERM=colours)

    places = screen.places_of(".jpg")
    assert not screen.unknown
    assert set(places) == set(album.SEED)
    for name, (line, column) in places.items():
        drawn = screen.blocks_above(line - 1, column, tile)
        assert drawn.shape[0] >= 14
        assert drawn.shape[1] >= tile - 1
        assert difference(name, drawn) < most


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_with_pixels_shows_the_photos(
    shared: Daemon, photos: Path, columns: int
) -> None:
    screen = searched(shared, photos, DrawingTerminal(columns), "sunset")

    names = list(screen.places_of(".jpg"))
    assert not screen.unknown
    assert set(names) == set(album.SEED)
    for name, picture in zip(names, screen.pictures, strict=True):
        assert picture.pixels.shape[1] >= 170
        assert difference(name, picture.pixels) < CLOSE


@pytest.mark.parametrize("kind", ["kitty", "plain"])
def test_a_photo_is_drawn_large(shared: Daemon, photos: Path, kind: Kind) -> None:
    terminal = DrawingTerminal(100, 40, kind=kind)
    words = "clipctl cat in:. -n 1 --anyway; clipctl view @1"
    screen = terminal.run(
        Ctl(shared.socket), f"cd '{photos}'; {words}", COLORTERM="truecolor", CLIPD_PREVIEW="off"
    )

    if kind == "kitty":
        (picture,) = screen.pictures
        assert picture.pixels.shape == (240, 320, 3)  # as large as it is
        drawn = picture.pixels
    else:
        (line, _) = screen.places_of("cat.jpg")[f"{photos}/cat.jpg".rpartition(" ")[2]]
        drawn = screen.blocks_above(line, 0, 100)
        assert drawn.shape == (72, 96, 3)  # as high as the window, but for four lines
    assert difference("cat.jpg", drawn) < CLOSE


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_real_tmux_shows_what_was_meant(shared: Daemon, photos: Path, tmp_path: Path) -> None:
    ctl = Ctl(shared.socket)
    script = tmp_path / "script"
    arguments = "search sunset --anyway --preview on in:."
    script.write_text(
        f"#!/bin/sh\ncd '{photos}'\n'{ctl.command()[0]!s}' -P -c '{ctl.command()[3]!s}'"
        f" {arguments}\necho all; cat\n"
    )
    script.chmod(0o755)
    tmux = ["tmux", "-f", "/dev/null", "-L", tmp_path.name]
    environment = ctl.environment() | {"COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}

    def shown() -> str:
        command = [*tmux, "capture-pane", "-e", "-p", "-S", "-200"]
        return subprocess.run(
            command, capture_output=True, check=True, env=environment
        ).stdout.decode()

    start = [*tmux, "new-session", "-d", "-x", "80", "-y", "30", str(script)]
    subprocess.run(start, check=True, env=environment)
    try:
        wait_until(lambda: "all" in shown(), 30, what=shown)
        screen = Screen(80, 200)
        screen.write(shown().replace("\n", "\r\n").encode())
    finally:
        subprocess.run([*tmux, "kill-server"], check=True, env=environment)
    places = screen.places_of(".jpg")
    assert set(places) == set(album.SEED)
    for name, (line, column) in places.items():
        assert difference(name, screen.blocks_above(line - 1, column, 25)) < IN_256_COLOURS


def test_what_cannot_be_shown_is_framed_with_its_reason_and_what_is_kept_is_shown(
    daemons: Daemons, seed: FirstCrawl, tmp_path: Path
) -> None:
    here, drive = album.fill(tmp_path / "here"), album.fill(tmp_path / "drive")
    for name in album.SEED:  # photos of their own, rather than copies
        album.save(drive / name, album.new(album.SEED[name]))
    daemon = daemons.new([here, drive], seed=seed).start()
    daemon.wait_found(here, album.SEED)
    daemon.wait_found(drive, album.SEED)
    ctl = Ctl(daemon.socket)
    words = "clipctl search sunset in:{} --anyway"
    # One of the drive is kept as it is looked at; then the drive goes.
    DrawingTerminal(18).run(ctl, words.format(drive) + " -n 1")
    drive.rename(tmp_path / "elsewhere")
    daemon.wait_until(lambda: daemon.root_states()[str(drive)] == "offline")
    daemon.ctl("pause")  # so that clipd does not know better yet
    (here / "cat.jpg").write_bytes(b"\xff\xd8\xff no picture any more")
    (here / "car.jpg").write_bytes(album.picture("forest", 77))
    (here / "beach.jpg").unlink()

    away = DrawingTerminal(80, 60).run(ctl, words.format(drive))
    changed = DrawingTerminal(36, 60).run(ctl, words.format(here))

    assert len(away.pictures) == 1
    assert away.text().count("its drive is") == len(album.SEED) - 1
    assert set(away.places_of(".jpg")) == set(album.SEED)
    assert set(changed.places_of(".jpg")) == set(album.SEED)
    assert len(changed.pictures) == len(album.SEED) - 3
    told = " ".join(changed.text().replace("│", " ").split())
    for reason in ("the file has changed", "the file is gone", "JPEG"):
        assert reason in told
