"""Whether disk, catalog, index and answers say the same: the end of every test of this folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from tests.daemon.harness import Daemon
from tests.daemon.wire import path_of

Disk: TypeAlias = dict[bytes, bytes]  # path -> content, of every file that is to be looked at
_AGREE_SECONDS = 60.0
_DEEP = ("--disk", "--deep")
_EXACT = 0.999  # the score of a picture with itself, through fp16 and another decode


def disk(*roots: Path | bytes) -> Disk:
    """Read every file below the roots that no rule hides and whose mode lets its owner read."""
    found: Disk = {}
    for root in roots:
        for base, folders, files in os.walk(os.fsencode(root)):
            folders[:] = [name for name in folders if not name.startswith(b".")]
            for name in files:
                path = os.path.join(base, name)
                if not name.startswith(b".") and os.lstat(path).st_mode & stat.S_IRUSR:
                    with open(path, "rb") as file:
                        found[path] = file.read()
    return found


def hash_of(content: bytes) -> bytes:
    """Return the hash that the catalog keeps of a content."""
    return hashlib.blake2b(content, digest_size=16).digest()


def catalog_file(daemon: Daemon) -> Path:
    """Return the daemon's catalog."""
    (file,) = daemon.state_folder().rglob("catalog.sqlite")
    return file


def catalog(daemon: Daemon) -> tuple[dict[bytes, bytes], dict[bytes, str]]:
    """Read the hash of the photo at each live path, and the kind of the failure at the others."""
    file = catalog_file(daemon)
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)) as connection:
            return _rows(connection)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return _rows_of_a_copy(file)


def _rows_of_a_copy(file: Path) -> tuple[dict[bytes, bytes], dict[bytes, str]]:
    """Read a catalog that clipd keeps to itself, where its disk has no room for shared memory."""
    with tempfile.TemporaryDirectory() as folder:
        for part in (file, file.with_name(f"{file.name}-wal")):
            if part.exists():
                shutil.copy(part, folder)
        with closing(sqlite3.connect(Path(folder, file.name))) as connection:
            return _rows(connection)


def _rows(connection: sqlite3.Connection) -> tuple[dict[bytes, bytes], dict[bytes, str]]:
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert not connection.execute("PRAGMA foreign_key_check").fetchall()
    rows = connection.execute(
        "SELECT folder, name, content_hash FROM paths JOIN photos ON photos.id = photo_id"
        " WHERE gone_at IS NULL"
    )
    photos = {os.path.join(folder, name): content for folder, name, content in rows}
    rows = connection.execute("SELECT folder, name, kind FROM failures")
    return photos, {os.path.join(folder, name): kind for folder, name, kind in rows}


def differences(daemon: Daemon, expected: Disk) -> list[str]:
    """Name each path of which the catalog or a search says something else than the disk."""
    photos, failures = catalog(daemon)
    found = []
    for path in sorted(expected.keys() | photos.keys()):
        if path not in expected:
            found.append(f"{path!r} is nowhere, but in the catalog")
        elif path not in photos:
            found.append(f"{path!r} is not in the catalog; failure: {failures.get(path)}")
        elif photos[path] != hash_of(expected[path]):
            found.append(f"{path!r} is another content than the catalog says")
    searched = {path_of(row) for hit in daemon.search() for row in (hit, *_copies(hit))}
    found += [f"{path!r} is nowhere, but a hit" for path in sorted(searched - expected.keys())]
    found += [f"{path!r} is no hit" for path in sorted(expected.keys() - searched)]
    return found


def assert_agreement(
    daemon: Daemon, expected: Disk, *, seconds: float = _AGREE_SECONDS, pictures: int = 40
) -> None:
    """Insist that catalog, index and answers are what the disk holds.

    Args:
        expected: the files that must be photos; no others may be.
        seconds: how long the daemon may take to get there by itself.
        pictures: how many contents are looked for by a fresh decode of their bytes, at most.
    """
    daemon.wait_idle(max(seconds, 120))
    seen: list[list[str]] = [[]]

    def agrees() -> bool:
        seen[0] = differences(daemon, expected)
        return not seen[0]

    try:
        daemon.wait_until(agrees, seconds, what="agreement")
    except BaseException as error:
        error.add_note(f"{len(seen[0])} differences: {seen[0][:8]}")
        raise
    daemon.wait_idle()
    verify(daemon)
    assert_each_leads(daemon, expected, pictures)


def verify(daemon: Daemon) -> None:
    """Insist that `clipctl verify`, as thorough as this clipd can, finds nothing."""
    assert not _kinds_of_differences(daemon), daemon.ctl("verify", *_DEEP, ok=False).stdout


def _kinds_of_differences(daemon: Daemon) -> set[str]:
    done = daemon.ctl("verify", "--json", *_DEEP, ok=False)
    verdict = json.loads(done.stdout)
    assert done.returncode == (0 if verdict["ok"] else 1), done
    found = {difference["kind"] for difference in verdict["differences"]}
    assert verdict["ok"] == (not found), verdict
    return found


def assert_each_leads(daemon: Daemon, expected: Disk, most: int) -> None:
    """Insist that each content, sent as a picture, finds its own paths first and no others."""
    places: defaultdict[bytes, set[bytes]] = defaultdict(set)
    for path, content in expected.items():
        places[content].add(path)
    contents = sorted(places, key=hash_of)[:most]  # by hash: some at random, the same each time
    for content in contents:
        hits = like(daemon, content)
        assert hits, f"nothing is found for {sorted(places[content])}"
        first = {path_of(row) for row in (hits[0], *_copies(hits[0]))}
        score = hits[0]["score"]
        assert first == places[content], (sorted(first), sorted(places[content]), score)
        assert _EXACT < score < 1.001, (score, sorted(first))


def assert_each_leads_by_its_vector(daemon: Daemon, expected: Disk) -> None:
    """Insist that each photo finds itself first by its stored vector, which needs no model."""
    for path in expected:
        code, answer = daemon.request("GET", f"/v1/search?limit=1&path={quote(path)}")
        assert code == 200, answer
        first = answer["hits"][0]
        assert path in {path_of(row) for row in (first, *_copies(first))}, (path, first)
        assert _EXACT < first["score"] < 1.001, (path, first)


def like(daemon: Daemon, content: bytes, limit: int = 3) -> list[dict[str, Any]]:
    """Return the hits of a picture that is sent whole, so that no stored vector answers.

    "Try again" is no wrong answer: a catalog that is found to be damaged is opened anew.
    """
    path = f"/v1/search?limit={limit}"
    answers: list[tuple[int, Any]] = []

    def is_answered() -> bool:
        answers.append(daemon.request("POST", path, content, "application/octet-stream"))
        code, answer = answers[-1]
        return code != 503 or answer["error"]["code"] not in ("stopping", "catalog_corrupt")

    daemon.wait_until(is_answered, what="an answer")
    code, answer = answers[-1]
    assert code == 200, answer
    hits = answer["hits"]
    assert isinstance(hits, list)
    return hits


def _copies(hit: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row if isinstance(row, dict) else {"path": row} for row in hit.get("also", ())]
