"""What a path needs, decided from one look at it and what the catalog knows.

Nothing here touches a disk or a database: the same ``Seen`` and ``Known`` always give the same
decision, so that every case can be read, and tested, in a table.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from clipd.decode.formats import is_picture_name, skip_reason
from clipd.decode.sidecar import is_sidecar_name
from clipd.photo import FailureKind, Fingerprint, same
from clipd.store.rows import FailureRow, PathRow
from clipd.watch.look import Seen

UNREST_SECONDS = 0.3  # how soon to look again at a file that is still being written


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows that bears on a path."""

    row: PathRow | None = None  # of the path itself, a tombstone too
    failure: FailureRow | None = None
    # Other paths with the inode, size and mtime of the file; looked for when ``needs_twins``.
    twins: tuple[PathRow, ...] = ()
    has_waited_out: bool = False  # the path was held back for as long as it may be

    @property
    def live_row(self) -> PathRow | None:
        """The row of the path, unless it is a tombstone."""
        return self.row if self.row is not None and self.row.gone_at is None else None


@dataclass(frozen=True, slots=True)
class Nothing:
    """The catalog is right, or there is no telling: leave it."""


@dataclass(frozen=True, slots=True)
class PutRow:
    """This known photo lies at the path, with this fingerprint."""

    photo: int
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class RefreshFailure:
    """The file is still what was refused, after a new mount."""

    failure: FailureRow
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The bytes have to be read: new, or changed."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The file is no photo, and needs not be read to know it."""

    kind: FailureKind
    reason: str
    fingerprint: Fingerprint | None


@dataclass(frozen=True, slots=True)
class NoteSidecar:
    """The file says something new of the photos beside it."""

    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing that counts lies at the path any more."""

    known_below: bool = False  # neither at the paths that are known below it: look at them


@dataclass(frozen=True, slots=True)
class LookAgain:
    """It is too early to tell."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class LookBelow:
    """It is a folder to be compared with the catalog."""

    folder: bytes
    is_deep: bool


Decision = (
    Nothing | PutRow | RefreshFailure | ReadFile | Refuse | NoteSidecar | Forget | LookAgain
    | LookBelow
)  # fmt: skip


def decide(seen: Seen, known: Known, now: int) -> Decision:
    """Return what a path needs.

    Args:
        seen: the look at it.
        known: what the catalog knows of it.
        now: seconds since the epoch; a refusal may be due to be tried again.
    """
    if seen.kind in ("outside", "stalled"):
        return Nothing()
    if seen.kind == "unsure":
        return LookAgain(UNREST_SECONDS)
    if seen.kind == "absent":
        return _decide_absent(seen, known)
    if not seen.is_wanted:
        return Forget(known_below=seen.kind == "folder")
    if seen.kind == "out of reach":
        return _decide_out_of_reach(seen, known)
    if seen.kind == "file":
        return _decide_file(seen, known, now)
    if seen.kind == "other":
        return Forget()
    return _decide_folder(seen)


def needs_twins(seen: Seen, known: Known, now: int) -> bool:
    """Whether the decision may depend on other paths of the same inode.

    A look-up for each path would be wasted on all those that are as they were.
    """
    is_readable = seen.kind == "file" and seen.is_wanted and seen.is_at_rest
    return is_readable and seen.has_stable_inodes and isinstance(decide(seen, known, now), ReadFile)


def _decide_absent(seen: Seen, known: Known) -> Decision:
    if known.live_row is None:
        # A refusal is dropped without proof: nothing is lost with it. There may have been
        # a folder of this name, whose paths are known one by one.
        return Forget(known_below=True)
    return Forget() if seen.is_deleted else Nothing()


def _decide_out_of_reach(seen: Seen, known: Known) -> Decision:
    if seen.is_root:
        return Nothing()  # its state tells
    if seen.is_folder_unreadable:
        # The look at the folder will say so; what is known in it stays.
        return LookBelow(os.path.dirname(seen.path), is_deep=False)
    if known.live_row is not None:
        return Nothing()
    return Refuse("unreadable", f"the system cannot look at it: {seen.trouble}", None)


def _decide_folder(seen: Seen) -> Decision:
    if not seen.trouble:
        return LookBelow(seen.path, is_deep=True)
    if seen.is_root:
        return Nothing()  # its state tells
    return Refuse("unreadable", f"the folder cannot be read: {seen.trouble}", None)


def _decide_file(seen: Seen, known: Known, now: int) -> Decision:
    fingerprint = seen.fingerprint
    assert fingerprint is not None
    name = os.path.basename(seen.path)
    if is_sidecar_name(name):
        return _decide_sidecar(seen, fingerprint, known)
    if not is_picture_name(name):
        if known.failure is not None and known.failure.kind == "skipped":
            return Nothing()
        return Refuse("skipped", skip_reason(name), fingerprint)
    settled = _settled(seen, fingerprint, known, now)
    if settled is not None:
        return settled
    if not seen.is_at_rest and not known.has_waited_out:
        return LookAgain(UNREST_SECONDS)
    for twin in known.twins:
        if is_same_file(seen, twin):
            return PutRow(twin.photo, fingerprint)
    return ReadFile()


def _decide_sidecar(seen: Seen, fingerprint: Fingerprint, known: Known) -> Decision:
    before = known.failure.fingerprint if known.failure is not None else None
    verdict = "changed"
    if before is not None:
        verdict = same(before, fingerprint, stable_inodes=seen.has_stable_inodes)
    if verdict == "same":
        return Nothing()
    if verdict == "refresh" and known.failure is not None:
        return RefreshFailure(known.failure, fingerprint)
    if not seen.is_at_rest and not known.has_waited_out:
        return LookAgain(UNREST_SECONDS)
    return NoteSidecar(fingerprint)


def _settled(seen: Seen, fingerprint: Fingerprint, known: Known, now: int) -> Decision | None:
    """Return the decision when the catalog already knows this very file at this very path."""
    failure = known.failure
    if failure is not None and failure.fingerprint is not None:
        verdict = same(failure.fingerprint, fingerprint, stable_inodes=seen.has_stable_inodes)
        is_due = failure.retry_at is not None and failure.retry_at <= now
        if verdict == "changed" or is_due:
            return None
        return Nothing() if verdict == "same" else RefreshFailure(failure, fingerprint)
    row = known.row
    if row is None:
        return None
    verdict = same(row.fingerprint, fingerprint, stable_inodes=seen.has_stable_inodes)
    if verdict == "changed":
        return None
    if failure is not None:
        return None  # it could not be read lately: whether it can be now shows when it is read
    if verdict == "same" and row.gone_at is None:
        return Nothing()
    return PutRow(row.photo, fingerprint)


def is_same_file(seen: Seen, twin: PathRow) -> bool:
    """Whether a file is the one that the catalog knows at another path, not written to since.

    An inode number alone says little: ext4 gives that of a deleted file to the next new one
    (17 of 24 tries), and cameras and converters write many files of one size within one tick
    of the clock. The time of birth tells two users of one inode apart; without it, or where
    inode numbers are made up, the bytes have to tell.

    The change time must agree too. No program can set it, so it says that nobody has written
    to the file, whatever its size and mtime say. It stays as it was when a folder is renamed
    or moved, and all hard links of a file share it. Renaming a file by itself changes it: such
    a file is read, and its hash tells, without a decode, that it is a known photo.
    """
    file, row = seen.fingerprint, twin.fingerprint
    if file is None or not seen.has_stable_inodes or twin.path == seen.path:
        return False
    if not file.born_ns or file.born_ns != row.born_ns:
        return False
    # The device may have another number since it was mounted anew.
    return replace(row, device=file.device) == file
