"""What a command of several steps says: lines as they come, or all of them as JSON at the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from clipd.ctl.output import emit_json
from clipd.json_types import JsonValue


class Steps:
    """Takes the lines of a command, to print them or to keep them for ``print_json``."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._lines: list[JsonValue] = []

    def say(self, line: str) -> None:
        """Take a line."""
        if not self._as_json:
            click.echo(line)
        elif line:
            self._lines.append(line)

    def print_json(self) -> None:
        """Print what was done, where that was asked for as JSON."""
        if self._as_json:
            emit_json({"ok": True, "steps": self._lines})


@contextmanager
def output_on_stderr() -> Iterator[None]:
    """Have what this process and its children print go to stderr; stdout is for the JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
