"""`clipd demo FOLDER`: the real daemon on pictures of yours, which it only reads.

Some hundreds of pictures, the model in the box, a throw-away folder for all that is written:
a first look, over as soon as it is left.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from clipd.cli.demo_daemon import DemoDaemon, DemoError, step
from clipd.encode.presets import IN_THE_BOX
from clipd.pathtext import shown

_PICTURES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic")
)
_PATTERN = re.compile(r"([*?\[\]\\!# ])")  # what means something in a pattern of .gitignore


def show(demo: DemoDaemon, folder: Path, limit: int, *, browse: bool) -> None:
    """Index pictures of a folder, then answer what is typed until the end of the input.

    Raises:
        DemoError: there are no pictures, or clipd ended.
    """
    pictures = list(islice(_pictures(folder), limit))
    if not pictures:
        raise DemoError(f"{shown(os.fsencode(folder))} holds no pictures; name another folder")
    demo.configure(folder, _all_but(pictures))
    with demo.running(keep=False):
        _wait_for(demo, len(pictures))
        if browse:
            demo.show_page()
        else:
            _answer(demo)


def _pictures(folder: Path) -> Iterator[str]:
    """Yield the pictures below a folder, relative to it, hidden ones left out."""
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(above, name), folder)
            is_text = path.isprintable() and not path.startswith("~")
            is_picture = os.path.splitext(name)[1].lower() in _PICTURES
            if is_picture and is_text and not name.startswith("."):
                yield path


def _all_but(pictures: list[str]) -> list[str]:
    """Return the patterns that leave out everything else; other folders are not entered.

    Folder by folder from the top: all that is in it is left out, but for what is wanted.
    """
    wanted: dict[str, set[str]] = {}
    for picture in pictures:
        path = Path(picture)
        for child, above in zip((path, *path.parents), path.parents, strict=False):
            wanted.setdefault(str(above), set()).add(str(child))
    patterns = []
    for folder in sorted(wanted):
        patterns.append("/*" if folder == "." else f"/{_escaped(folder)}/*")
        patterns += [f"!/{_escaped(child)}" for child in sorted(wanted[folder])]
    return patterns


def _escaped(path: str) -> str:
    return _PATTERN.sub(r"\\\1", path)


def _wait_for(demo: DemoDaemon, total: int) -> None:
    """Wait until all pictures are looked at, with a bar on a terminal."""
    hidden = not sys.stderr.isatty() or bool(os.environ.get("NO_COLOR"))
    what = "one picture" if total == 1 else f"{total} pictures"
    with click.progressbar(
        length=total, label=f"looking at {what}", file=sys.stderr, hidden=hidden
    ) as bar:

        def is_done() -> bool:
            status = demo.status()
            bar.update(max(0, int(str(status["encoded"])) - bar.pos))
            return status["state"] == "idle" and not status["backlog"]

        with step(f"looked at {what}"):
            demo.wait_until("every picture is looked at", is_done, within=3600)
    demo.run("status")


def _answer(demo: DemoDaemon) -> None:
    print(
        f"\nType what to look for; an empty line or Ctrl-D ends. The model is {IN_THE_BOX}, which "
        "comes with clipd;\na larger one finds more: clipd setup FOLDER",
        flush=True,
    )
    while True:
        if sys.stdin.isatty():
            print("search> ", end="", flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            return
        demo.run("search", "-n", "10", "--", line)
