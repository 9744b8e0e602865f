"""A progress line on a terminal; silence anywhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import click


@contextmanager
def showing_progress(label: str, stream: TextIO) -> Iterator[Callable[[int, int], None]]:
    """Show how far a download is, for the length of the block.

    Yields:
        what to call with the bytes that are here, and the bytes in all, 0 while nobody knows.
    """
    hidden = not stream.isatty() or bool(os.environ.get("NO_COLOR"))
    before = last = -1  # bytes that an earlier run fetched; bytes at the last call

    with click.progressbar(
        length=0,
        label=label,
        file=stream,
        hidden=hidden,
        item_show_func=_megabytes,
        show_percent=False,
        width=30,
    ) as bar:

        def show(here: int, total: int) -> None:
            nonlocal before, last
            if before < 0:
                before = last = here
            # Only what is left is measured: the bytes of an earlier run took this one no time,
            # and would make the time that it still needs look too short.
            bar.length = total - before if total else None
            bar.update(here - last, (here, total))
            last = here

        yield show


def _megabytes(shown: tuple[int, int] | None) -> str | None:
    if shown is None:
        return None
    here, total = shown
    return f"{here / 1e6:.0f} of {total / 1e6:.0f} MB" if total else f"{here / 1e6:.0f} MB"
