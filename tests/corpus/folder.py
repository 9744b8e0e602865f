"""The corpora: one that the project paints and damages itself, and others where they are."""

from __future__ import annotations

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

from tests.corpus.formats import formats
from tests.corpus.hostile import hostile
from tests.corpus.photos import photos, turned

MANIFEST = "manifest.jsonl"
_REPOSITORY = Path(__file__).parents[2]
# A folder of pictures that nobody here made, with a manifest; it is not part of the project.
FOREIGN = Path(os.environ.get("CLIPD_CORPUS", _REPOSITORY.parent / "shared" / "corpus")).resolve()
HAS_FOREIGN = (FOREIGN / MANIFEST).exists()
CORPORA = ["painted", "foreign"] if HAS_FOREIGN else ["painted"]


def paint(folder: Path) -> Path:
    """Write our own corpus into a new folder, always the same one; return the folder."""
    lines = []
    for piece in chain(photos(), turned(), formats(), hostile()):
        file = folder / piece.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(piece.content)
        lines.append(piece.line())
    (folder / MANIFEST).write_text("\n".join(lines) + "\n")
    return folder


def manifest(corpus: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of each file, by its path below the corpus."""
    rows = map(json.loads, (corpus / MANIFEST).read_text().splitlines())
    return {row["path"]: row for row in rows}


def captioned(corpus: Path) -> list[Path]:
    """Return the photos that have a caption: good ones, each of something of its own."""
    return sorted(corpus / path for path, row in manifest(corpus).items() if "captions" in row)
