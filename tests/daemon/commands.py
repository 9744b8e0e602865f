"""The commands that tests run, taken from where users have them."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
UNIT = REPOSITORY / "systemd" / "clipd.service"


def program(module: str) -> list[str]:
    """Return the command that the console script of a module's `main` stands for."""
    return [sys.executable, "-P", "-c", f"import sys, {module} as m; sys.exit(m.main())"]


def unit_command() -> list[str]:
    """Return the unit's own command, with this environment's clipd as the program."""
    for line in UNIT.read_text().splitlines():
        if line.startswith("ExecStart="):
            words = shlex.split(line.removeprefix("ExecStart="))
            names = [os.path.basename(word) for word in words]
            return [*program("clipd.cli.command"), *words[names.index("clipd") + 1 :]]
    raise LookupError(f"{UNIT} has no ExecStart")
