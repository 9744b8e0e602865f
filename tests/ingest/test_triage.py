"""What a path needs: a table of cases, without a file system or a catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipd.config.options import RootConfig
from clipd.ingest.triage import (
    UNREST_SECONDS,
    Decision,
    Forget,
    Known,
    LookAgain,
    LookBelow,
    NoteSidecar,
    Nothing,
    PutRow,
    ReadFile,
    RefreshFailure,
    Refuse,
    decide,
    needs_twins,
)
from clipd.photo import Fingerprint
from clipd.store.rows import FailureRow, PathRow
from clipd.watch.look import Seen
from clipd.watch.root import Root

NOW = 1000
PATH, OTHER, PHOTO = b"/photos/a.jpg", b"/photos/old.jpg", 7
ROOT = Root(1, b"/photos", RootConfig(path=Path("/photos")))
FILE = Fingerprint(10, 20, 30, 40, 50, born_ns=60)

ROW = PathRow(PATH, 1, PHOTO, FILE, None)
TOMBSTONE = replace(ROW, gone_at=900)
OTHER_ROW = replace(ROW, path=OTHER)
REFUSED = FailureRow(PATH, 1, FILE, "corrupt", "no picture", 900)
SKIPPED = FailureRow(b"/photos/a.txt", 1, FILE, "skipped", "not a picture", 900)


def file(**changes: object) -> Seen:
    return replace(Seen(PATH, "file", ROOT, fingerprint=FILE), **changes)  # type: ignore[arg-type]


def text(**changes: object) -> Seen:
    return replace(file(), path=b"/photos/a.txt", **changes)  # type: ignore[arg-type]


def sidecar(**changes: object) -> Seen:
    return replace(file(), path=b"/photos/a.jpg.xmp", **changes)  # type: ignore[arg-type]


def seen(kind: str, **changes: object) -> Seen:
    return replace(Seen(PATH, kind, ROOT), **changes)  # type: ignore[arg-type]


def twin(**changes: int) -> Known:
    return Known(twins=(replace(OTHER_ROW, fingerprint=replace(FILE, **changes)),))


SIDECAR = FailureRow(b"/photos/a.jpg.xmp", 1, FILE, "sidecar", "of the photo beside it", 900)
REMOUNTED = replace(FILE, device=51)
MOVED = replace(FILE, ctime_ns=31)
PUT = PutRow(PHOTO, FILE)

CASES: dict[str, tuple[Seen, Known, Decision]] = {
    # What says something of a photo beside it
    "a sidecar": (sidecar(), Known(), NoteSidecar(FILE)),
    "a known sidecar": (sidecar(), Known(failure=SIDECAR), Nothing()),
    "a sidecar that changed": (
        sidecar(fingerprint=MOVED),
        Known(failure=SIDECAR),
        NoteSidecar(MOVED),
    ),
    "a sidecar after a new mount": (
        sidecar(fingerprint=REMOUNTED),
        Known(failure=SIDECAR),
        RefreshFailure(SIDECAR, REMOUNTED),
    ),
    "a sidecar that is being written": (
        sidecar(is_at_rest=False),
        Known(),
        LookAgain(UNREST_SECONDS),
    ),
    "a sidecar that clipd 0.1 skipped": (
        sidecar(),
        Known(failure=replace(SIDECAR, fingerprint=None)),
        NoteSidecar(FILE),
    ),
    "outside of every root": (Seen(PATH, "outside"), Known(ROW), Nothing()),
    "on a disk that does not answer": (seen("stalled"), Known(ROW), Nothing()),
    "on a volume that nobody has noted": (seen("unsure"), Known(ROW), LookAgain(UNREST_SECONDS)),
    # What is not there
    "a deleted photo": (seen("absent", is_deleted=True), Known(ROW), Forget()),
    "a photo whose disk is away": (seen("absent"), Known(ROW), Nothing()),
    "a refused file that went": (seen("absent"), Known(failure=REFUSED), Forget(True)),
    "a folder that went": (seen("absent"), Known(), Forget(True)),
    "a tombstone that is still gone": (seen("absent"), Known(TOMBSTONE), Forget(True)),
    # What does not count
    "an excluded file": (file(is_wanted=False), Known(ROW), Forget()),
    "an excluded folder": (seen("folder", is_wanted=False), Known(), Forget(True)),
    "a link": (seen("other"), Known(ROW), Forget()),
    "behind a link that loops": (seen("out of reach", is_wanted=False), Known(ROW), Forget()),
    # Folders
    "a folder": (seen("folder"), Known(), LookBelow(PATH, True)),
    "a linked folder": (seen("linked folder"), Known(), LookBelow(PATH, True)),
    "a locked folder": (
        seen("folder", trouble="Permission denied"),
        Known(),
        Refuse("unreadable", "the folder cannot be read: Permission denied", None),
    ),
    "a root that cannot be read": (
        seen("folder", path=ROOT.path, trouble="Permission denied"),
        Known(),
        Nothing(),
    ),
    # What cannot be looked at
    "a live photo out of reach": (seen("out of reach", trouble="I/O"), Known(ROW), Nothing()),
    "an unknown file out of reach": (
        seen("out of reach", trouble="Input/output error"),
        Known(),
        Refuse("unreadable", "the system cannot look at it: Input/output error", None),
    ),
    "in a locked folder": (
        seen("out of reach", is_folder_unreadable=True),
        Known(ROW),
        LookBelow(b"/photos", False),
    ),
    "the root out of reach": (seen("out of reach", path=ROOT.path), Known(), Nothing()),
    # Files that are no pictures
    "a text": (text(), Known(), Refuse("skipped", "not a picture by its name (.txt)", FILE)),
    "a text that is known": (text(), Known(failure=SKIPPED), Nothing()),
    # Files that the catalog knows at this path
    "as it was": (file(), Known(ROW), Nothing()),
    "as it was, after an undo": (file(), Known(TOMBSTONE), PUT),
    "a new mount": (
        file(),
        Known(replace(ROW, fingerprint=replace(FILE, device=51))),
        PUT,
    ),
    "another size": (
        file(),
        Known(replace(ROW, fingerprint=replace(FILE, size_bytes=9))),
        ReadFile(),
    ),
    "another time": (
        file(),
        Known(replace(ROW, fingerprint=replace(FILE, mtime_ns=9))),
        ReadFile(),
    ),
    "only the change time": (
        file(),
        Known(replace(ROW, fingerprint=replace(FILE, ctime_ns=9))),
        ReadFile(),
    ),
    "only the change time, on FAT": (
        file(has_stable_inodes=False),
        Known(replace(ROW, fingerprint=replace(FILE, ctime_ns=9))),
        PUT,
    ),
    "another inode": (file(), Known(replace(ROW, fingerprint=replace(FILE, inode=9))), ReadFile()),
    "another inode, on FAT": (
        file(has_stable_inodes=False),
        Known(replace(ROW, fingerprint=replace(FILE, inode=9))),
        PUT,
    ),
    # Files that were refused
    "refused, as it was": (file(), Known(failure=REFUSED), Nothing()),
    "refused, changed": (file(fingerprint=MOVED), Known(failure=REFUSED), ReadFile()),
    "refused, due again": (file(), Known(failure=replace(REFUSED, retry_at=NOW)), ReadFile()),
    "refused, due later": (file(), Known(failure=replace(REFUSED, retry_at=NOW + 1)), Nothing()),
    "refused, a new mount": (
        file(),
        Known(failure=replace(REFUSED, fingerprint=replace(FILE, device=51))),
        RefreshFailure(replace(REFUSED, fingerprint=replace(FILE, device=51)), FILE),
    ),
    "could not be read": (file(), Known(failure=replace(REFUSED, fingerprint=None)), ReadFile()),
    "a live photo that could not be read": (
        file(),
        Known(ROW, failure=replace(REFUSED, kind="unreadable", fingerprint=None)),
        ReadFile(),
    ),
    # New files
    "new": (file(), Known(), ReadFile()),
    "being written": (file(is_at_rest=False), Known(), LookAgain(UNREST_SECONDS)),
    "being written for too long": (
        file(is_at_rest=False),
        Known(has_waited_out=True),
        ReadFile(),
    ),
    # Renames and hard links
    "a renamed folder's file, or a hard link": (file(), twin(), PUT),
    "the same after a new mount": (file(), twin(device=51), PUT),
    "a file that was renamed itself, or written to": (file(fingerprint=MOVED), twin(), ReadFile()),
    "the inode of a dead file": (file(), twin(born_ns=61), ReadFile()),
    "an unknown birth": (file(fingerprint=replace(FILE, born_ns=0)), twin(), ReadFile()),
    "a row of unknown birth": (file(), twin(born_ns=0), ReadFile()),
    "no birth at all": (
        file(fingerprint=replace(FILE, born_ns=0)),
        twin(born_ns=0),
        ReadFile(),
    ),
    "another size at the old name": (file(), twin(size_bytes=11), ReadFile()),
    "another time at the old name": (file(), twin(mtime_ns=21), ReadFile()),
    "another inode at the old name": (file(), twin(inode=41), ReadFile()),
    "inodes that are made up": (file(has_stable_inodes=False), twin(), ReadFile()),
    "its own row is no rename": (
        file(fingerprint=MOVED),
        Known(ROW, twins=(replace(ROW, fingerprint=MOVED),)),
        ReadFile(),
    ),
    "a tombstone of the old name": (
        file(),
        Known(twins=(replace(OTHER_ROW, gone_at=900),)),
        PUT,
    ),
    "a rename onto a known name": (
        file(),
        replace(twin(), row=replace(ROW, fingerprint=replace(FILE, inode=9))),
        PUT,
    ),
    "a rename onto what was refused": (
        file(),
        replace(twin(), failure=replace(REFUSED, fingerprint=MOVED)),
        PUT,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_path_gets_what_it_needs(case: str) -> None:
    look, known, decision = CASES[case]
    assert decide(look, known, NOW) == decision


@pytest.mark.parametrize("case", CASES)
def test_other_paths_are_asked_only_where_the_file_would_be_read(case: str) -> None:
    look, known, _ = CASES[case]
    bare = replace(known, twins=())
    is_read = isinstance(decide(look, bare, NOW), ReadFile)
    assert needs_twins(look, bare, NOW) == (is_read and look.has_stable_inodes and look.is_at_rest)
