"""The program ``clipd``, run by somebody with an empty home."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def clipd(
    home: Path, *arguments: str, prefix: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        prefix: what to run it with.
    """
    return subprocess.run(
        [*prefix, sys.executable, "-m", "clipd", *arguments],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
        | environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )


def config_of(home: Path, text: str) -> Path:
    """Write the configuration of that home; return where it lies."""
    file = home / ".config/clipd/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file
