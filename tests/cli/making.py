"""What a target of the Makefile runs, without what it installs before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.daemon.commands import REPOSITORY

_SECONDS = 240


def made(target: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    """Run the recipe of a target with the programs of this environment.

    Args:
        temporary: for all that it writes.
    """
    makefile = (REPOSITORY / "Makefile").read_text()
    recipe = re.findall(rf"^{target}:.*\n((?:\t.+\n)+)", makefile, re.MULTILINE)[0]
    programs = str(Path(sys.executable).parent)
    places = {"HOME": str(temporary), "TMPDIR": str(temporary)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return subprocess.run(
        ["sh", "-e", "-c", recipe.replace("$(BIN)", programs)],
        env=kept | places,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
