"""The state of every root: may what is missing from it be taken for deleted?

A photo is forgotten only on proof. A root that is missing, unmounted, another folder than it was,
or suddenly empty is offline, and proves nothing; one whose disk does not answer is stalled.
"""

from __future__ import annotations

import os
import shlex
import stat as modes
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipd.store.conditions import Whereabouts
from clipd.watch.disk_thread import DiskPulse, DiskThread, has_stalled
from clipd.watch.filesystems import MountClock
from clipd.watch.root import Root, RootChange, RootState, is_within
from clipd.watch.root_record import Identity, RootRecord, is_known
from clipd.watch.rules import is_junk
from clipd.watch.volumes import Volumes, holds_known_files

if TYPE_CHECKING:
    from clipd.store.reader import CatalogReader

_SAMPLE = 32  # known paths of a folder whose devices are looked at


class Roots:
    """The roots and their states, for any thread. One lock guards all fields.

    To be closed, for the threads of ``disk``.
    """

    def __init__(self, roots: Sequence[Root], reader: CatalogReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._looked = threading.Condition(self._lock)
        self._clock = MountClock()
        self._records = {
            root.id: RootRecord(
                root,
                reader.root_identity(root.id),
                DiskThread(os.fsdecode(root.path), root.id),
                Volumes(root, reader, self._clock),
            )
            for root in roots
        }

    def __iter__(self) -> Iterator[Root]:
        with self._lock:
            return iter([record.root for record in self._records.values()])

    def await_first_looks(self, seconds: float) -> bool:
        """Wait until every root was looked at once; return whether they were.

        Before that, all photos pass for offline.

        Args:
            seconds: to wait at most, for disks that are slow or do not answer.
        """
        with self._looked:
            return self._looked.wait_for(
                lambda: all(record.was_looked_at for record in self._records.values()), seconds
            )

    def hurry(self) -> None:
        """Wait for no slow disk any more: clipd stops."""
        for record in self._records.values():
            record.disk.hurry()

    def close(self) -> None:
        """End the threads that ask the disks; those whose disk does not answer are left behind."""
        for record in self._records.values():
            record.disk.close()
        self._clock.close()

    def disk(self, root: Root) -> DiskThread:
        """Return what asks a root's disk on behalf of threads that must not hang with it."""
        return self._records[root.id].disk

    def pulse(self, root: Root) -> DiskPulse:
        """Return the pulse of the root's own thread, for that thread to keep."""
        return self._records[root.id].pulse

    def volumes(self, root: Root) -> Volumes:
        """Return the file systems that make up a root."""
        return self._records[root.id].volumes

    def is_offline(self, path: bytes, root_id: int, device: int) -> bool:
        """Whether the file at a path cannot be opened now, since its root or its disk is away.

        Args:
            path: a path that the catalog knows.
            root_id: the root that it lies in.
            device: where it was last seen.
        """
        record = self._records.get(root_id)
        if record is None or self.state(root_id).is_away:
            return True
        return record.volumes.is_away(path, device)

    def whereabouts(self, aside: Sequence[int]) -> Whereabouts:
        """Return which files can be opened now, for all at once: see :meth:`is_offline`.

        Args:
            aside: ids of the volumes that the catalog says are set aside.
        """
        with self._lock:
            records = list(self._records.values())
        online = [record for record in records if not self.state(record.root.id).is_away]
        away = [each for record in online for each in record.volumes.away()]
        return Whereabouts(tuple(record.root.id for record in online), tuple(away), tuple(aside))

    def reload(self, root: Root) -> None:
        """Take over which folder the catalog says that a root is: another volume was noted."""
        identity = self._reader.root_identity(root.id)
        with self._lock:
            self._records[root.id].identity = identity

    def is_stalled(self, root: Root) -> bool:
        """Whether the disk of a root has not answered for too long."""
        return has_stalled(self._records[root.id].silent_seconds())

    def note_stall(self, root: Root) -> RootChange | None:
        """Return the change when a root has come to be stalled and nobody was told yet.

        The root's own thread cannot tell: it is the one that waits.
        """
        with self._lock:
            record = self._records[root.id]
            before, now = record.reported, record.state()
            if now.state != "stalled" or is_known(before, now):
                return None
            record.reported = now
            return RootChange(root, before, now)

    def check(self, root: Root) -> RootChange | None:
        """Look at a root on disk; return what changed since the last check.

        For one thread for each root, which waits as long as the disk does.
        """
        looked_at = time.monotonic()
        identity, is_empty, reason = _look(root)
        with self._lock:
            record = self._records[root.id]
            as_known = replace(record)
        if identity is not None:
            reason = self._doubt(as_known, identity, is_empty)  # asks disk and catalog: no lock
        with self._lock:
            fresh = None
            if not reason:
                fresh = record.trust(identity, is_empty, looked_at)
            elif identity is not None and record.is_in_grace(looked_at):
                return None
            record.offline = reason
            self._looked.notify_all()
            before, now = record.reported, record.state()
            if fresh is None and is_known(before, now):
                return None
            record.reported = now
            return RootChange(root, before, now, fresh)

    def state(self, root_id: int) -> RootState:
        """Return the state as of the last check; a root that is none of ours is offline."""
        with self._lock:
            record = self._records.get(root_id)
            return record.state() if record else RootState("offline", "it is not watched any more")

    def of(self, path: bytes) -> Root | None:
        """Return the root that a path lies in."""
        return max(
            (root for root in self if root.holds(path)),
            key=lambda root: len(root.path),
            default=None,
        )

    def degrade(self, root_id: int, reason: str) -> None:
        """Say why changes in a root are noticed late; "" when they no longer are."""
        with self._lock:
            if root_id in self._records:
                self._records[root_id].degraded = reason

    def note_deletion(self, root_id: int) -> None:
        """Say that an event told of a deletion: should the root be empty now, that is why."""
        with self._lock:
            if root_id in self._records:
                self._records[root_id].deleted_at = time.monotonic()

    def note_removal(self, root_id: int) -> None:
        """Say that an event told that a root itself was deleted.

        A folder made in its place may have the same inode, and what went with the old one was
        not deleted one by one.
        """
        with self._lock:
            if root_id in self._records:
                self._records[root_id].removed_at = time.monotonic()

    def accept_empty(self, root_id: int) -> None:
        """Take what lies in a root now, be it nothing or another folder, as what the user means."""
        with self._lock:
            if root_id in self._records:
                self._records[root_id].accepted = True

    def is_proof(self, root: Root, path: bytes, device: int) -> bool:
        """Whether the absence of a path proves that it was deleted.

        Args:
            root: the root that it lies in.
            path: a path that lstat does not find.
            device: of the file when it was last seen.
        """
        with self._lock:
            record = self._records.get(root.id)
            if record is None or record.state().is_away or record.was_removed:
                return False
            if record.volumes.is_given_up(path):
                return True
            if record.doubted_at is not None and not record.was_emptied:
                return False
            identity, former = record.identity, set(record.former_devices)
        try:
            top = os.stat(root.path)
            above = _nearest_existing(root, path)
            here = os.lstat(above)
        except OSError:
            return False
        if (top.st_dev, top.st_ino) != identity:
            return False
        # A disk that was mounted below the root and is gone leaves a folder of another device.
        if here.st_dev == device or (here.st_dev == top.st_dev and device in former):
            return True
        return self._holds_files_of(above, here.st_dev)

    def _holds_files_of(self, folder: bytes, device: int) -> bool:
        """Whether the catalog knows files of a folder on a device: the numbers may have changed."""
        rows = self._reader.folder_rows(folder, b"", _SAMPLE)
        return any(row.fingerprint is not None and row.fingerprint.device == device for row in rows)

    def _doubt(self, record: RootRecord, identity: Identity, is_empty: bool) -> str:
        """Say why what lies there may not be the root that the catalog knows."""
        if record.accepted:
            return ""
        path = shlex.quote(os.fsdecode(record.root.path))
        is_other = record.was_removed or record.identity not in (None, identity)
        if is_empty and (is_other or not record.was_emptied) and self._count(record.root):
            return (
                f"the folder is empty, but photos are known in it; if that is meant, "
                f"run `clipctl rescan {path}`"
            )
        if (
            is_other
            and self._count(record.root)
            and not holds_known_files(self._reader, record.root.path)
        ):
            return (
                f"it is another folder now, with none of the photos known in it; if that is meant, "
                f"run `clipctl rescan {path}`"
            )
        return ""

    def _count(self, root: Root) -> int:
        return self._reader.root_counts().get(root.id, 0)


def _look(root: Root) -> tuple[Identity | None, bool, str]:
    """Return a root's identity, whether it is empty, and why it cannot be used ("" if it can)."""
    try:
        stat = os.stat(root.path)
        if not modes.S_ISDIR(stat.st_mode):
            return None, False, "it is not a folder"
        with os.scandir(root.path) as entries:
            is_empty = all(is_junk(entry.name) for entry in entries)
    except FileNotFoundError:
        return None, False, "the folder is missing"
    except OSError as error:
        return None, False, f"the folder cannot be read: {error.strerror}"
    return (stat.st_dev, stat.st_ino), is_empty, ""


def _nearest_existing(root: Root, path: bytes) -> bytes:
    """Return the innermost folder above a path that exists, at most the root."""
    above = os.path.dirname(path)
    while is_within(above, root.path) and above != root.path:
        try:
            os.lstat(above)
        except (FileNotFoundError, NotADirectoryError):
            above = os.path.dirname(above)
        else:
            return above
    return root.path
