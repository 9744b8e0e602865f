"""The pictures of the page in the README: ``python -m tests.screenshots``, of painted photos."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from clipd.pocket.scenes import draw, random_scene
from tests.daemon.harness import Daemon
from tests.daemon.wire import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PHOTOS = 120
BURST = 4
FIRST_SEED = 5_000


def paint(folder: Path) -> None:
    """Paint photos of scenes that the model was not taught."""
    for number in range(PHOTOS):
        scene = random_scene(FIRST_SEED + number)
        scene.draw((640, 480)).save(folder / f"IMG_{number:04}.jpg", quality=85)
    moving = draw("a red car", seed=FIRST_SEED, size=(700, 480))
    for number in range(BURST):
        frame = moving.crop((20 * number, 0, 20 * number + 640, 480))
        frame.save(folder / f"BURST_{number:03}.jpg", quality=85)


DRAWN = """() => [...document.querySelectorAll('.tile img')]
    .filter(one => one.getBoundingClientRect().top < innerHeight)
    .every(one => one.naturalWidth > 0)"""


def until(page: Page, script: str) -> None:
    """Wait until a script says yes."""
    wait_until(lambda: bool(page.evaluate(script)), 120, what=lambda: f"never: {script}")


def shoot(entry: Path, folder: Path) -> None:
    """Take a picture of each state of the page."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium, "there is no chromium here: apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 560})
        page.goto(entry.as_uri())
        page.wait_for_selector("#grid li")
        page.fill("#query", "a red car")
        until(page, "() => document.querySelector('#reading').textContent.includes('red car')")
        until(page, DRAWN)
        page.evaluate("() => document.activeElement.blur()")
        page.click(".badge")
        until(page, "() => document.querySelectorAll('li.member').length > 0")
        until(page, DRAWN)
        page.screenshot(path=folder / "page-burst.jpg", quality=80)
        page.click(".badge")
        page.evaluate("() => document.activeElement.blur()")
        page.screenshot(path=folder / "page.jpg", quality=80)
        page.emulate_media(color_scheme="dark")
        page.locator(".tile").first.click()
        until(page, "() => document.querySelector('#about dl') !== null")
        until(page, "() => document.querySelector('#picture').naturalWidth > 0")
        page.screenshot(path=folder / "page-large.jpg", quality=80)
        browser.close()


def main() -> None:
    """Paint, index, take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory(prefix="clipd-") as runtime,
    ):
        photos = Path(home) / "Pictures"
        photos.mkdir()
        paint(photos)
        daemon = Daemon(Path(home), Path(runtime), [photos])
        try:
            daemon.start().wait_idle()
            said = json.loads(daemon.ctl("browse", "--json").stdout)
            try:
                shoot(Path(said["file"]), PICTURES)
            finally:
                os.kill(said["pid"], signal.SIGTERM)
        finally:
            daemon.close()


if __name__ == "__main__":
    main()
