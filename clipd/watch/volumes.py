"""The file systems that make up a root: its own, and those that are mounted below it.

Cards and drives come and go at one place, and two cards of one camera hold the same names. So the
catalog remembers each file system that was seen. One that is not there keeps its photos, as offline
hits; when another lies in its place, its paths are set aside in the catalog until it returns.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from clipd.watch.filesystems import MountClock, filesystem_of, mounts_below, uuid_of
from clipd.watch.root import Root, SeenVolume, VolumeChange, is_within

if TYPE_CHECKING:
    from clipd.store.reader import CatalogReader
    from clipd.store.rows import SampleFile, VolumeRow

_SAMPLE = 32  # known files that are looked for, to tell whether a volume was here before
_HASHED = 4  # of them: where only the time differs, the file may have been copied without it


class Volumes:
    """The volumes of one root. For the root's thread; what is said to be for any, is.

    Args:
        root: the root.
        reader: of the catalog.
        clock: of the mounts.
    """

    def __init__(self, root: Root, reader: CatalogReader, clock: MountClock) -> None:
        self._root = root
        self._reader = reader
        self._clock = clock
        self._checked_at: int | None = None  # on that clock; None: nobody checks
        self._mounts: dict[bytes, int] = {}
        self._root_device = -1
        # Replaced as a whole, so that any thread may read them.
        self._away: frozenset[bytes] = frozenset()
        self._given_up: frozenset[bytes] = frozenset()
        self.is_settled = False

    def check(self) -> list[VolumeChange]:
        """Compare what is mounted with what is known; return what the catalog has to note.

        Until it has, ``is_settled`` is false, and the root must not be scanned: the paths of one
        volume would be compared with the files of another.

        Raises:
            OSError: the root is not there, or cannot be looked at.
        """
        now = self._clock.now()
        mounts = mounts_below(self._root.path)
        if mounts == self._mounts and self.is_settled:
            self._checked_at = now
            return []
        root_device = os.stat(self._root.path).st_dev
        known = self._reader.volumes(self._root.id)
        changes = [
            change
            for folder in mounts
            if (seen := _volume_at(folder)) is not None
            and (change := self._compare(seen, known)) is not None
        ]
        missing = [each.folder for each in known if each.is_here and each.folder not in mounts]
        self._away = frozenset(folder for folder in missing if self._reader.sample(folder, 1))
        self._given_up = frozenset()
        self._root_device = root_device
        self._mounts = mounts
        self.is_settled = not changes
        self._checked_at = now
        return changes

    def is_unsure(self) -> bool:
        """Whether files may be those of another volume than the one in the catalog. Any thread.

        To be asked after a look at a file: no, and what was seen belongs to the volumes that the
        last check found. Mounts elsewhere come and go as they like.
        """
        if self._checked_at is None:
            return False
        if not self.is_settled:
            return True
        now = self._clock.now()
        if now == self._checked_at:
            return False
        if mounts_below(self._root.path) != self._mounts:
            return True
        self._checked_at = now
        return False

    @property
    def mounts(self) -> Mapping[bytes, int]:
        """The mounts that were there at the last check; another set tells of other files."""
        return self._mounts

    def look_again(self) -> None:
        """Compare anew at the next check, though the mounts seem to be the same."""
        self.is_settled = False

    def is_away(self, path: bytes, device: int) -> bool:
        """Whether a path lies on a volume that is not mounted now. Any thread.

        Args:
            path: a path in the root.
            device: where the file was last seen.
        """
        return device != self._root_device and _is_below(path, self._away)

    def away(self) -> list[tuple[bytes, int]]:
        """Return the folders of volumes that are not mounted now. Any thread.

        Each with the device of the root: a file that was last seen on it lies there all the same.
        """
        return [(folder, self._root_device) for folder in sorted(self._away)]

    def give_up(self, folder: bytes) -> bool:
        """Take it that a volume which is away will not return; False when none is. Any thread."""
        if folder not in self._away:
            return False
        self._given_up |= {folder}
        self._away -= {folder}
        return True

    def is_given_up(self, path: bytes) -> bool:
        """Whether a path lies on a volume that will not return. Any thread."""
        return _is_below(path, self._given_up)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each volume that is not mounted now. Any thread."""
        for folder in sorted(self._away):
            shown = os.fsdecode(folder)
            yield (
                f"{shown}: what was mounted there is not there now; its photos are kept; if it "
                f"will not return, run `clipctl rescan {shlex.quote(shown)}`"
            )

    def _compare(self, seen: SeenVolume, known: Sequence[VolumeRow]) -> VolumeChange | None:
        there = [each for each in known if each.folder == seen.folder]
        here = next((each for each in there if each.is_here), None)
        if here is None:
            return VolumeChange(seen, None, self._returning(seen, there))
        if _is_certain(seen, here) or self._is_left_to_root(seen, here):
            return None
        is_same_file_system = bool(seen.uuid) and seen.uuid == here.uuid
        if is_same_file_system or holds_known_files(self._reader, seen.folder):
            return None if _is_alike(seen, here) else VolumeChange(seen, here.id, here.id)
        return VolumeChange(seen, here.id, self._returning(seen, there))

    def _is_left_to_root(self, seen: SeenVolume, here: VolumeRow) -> bool:
        """Whether the state of the root tells what there is to tell of its own volume."""
        if seen.folder != self._root.path:
            return False
        # In one file system, it may be another folder; and an empty one may be a mount point.
        is_replaced = bool(seen.uuid) and seen.uuid == here.uuid and seen.device == here.device
        return is_replaced or not os.listdir(seen.folder)

    def _returning(self, seen: SeenVolume, there: Sequence[VolumeRow]) -> int | None:
        """Return the volume, of those set aside, that has come back; None for a new one."""
        for each in there:
            if each.is_here:
                continue
            by_uuid = bool(seen.uuid) and seen.uuid == each.uuid
            if by_uuid or holds_known_files(self._reader, seen.folder, aside=each.id):
                return each.id
        return None


def holds_known_files(reader: CatalogReader, folder: bytes, aside: int | None = None) -> bool:
    """Whether a folder holds any of the files that the catalog knows in it, by content.

    True as well when it knows none: there is nothing to lose.

    Args:
        reader: of the catalog.
        folder: an absolute path.
        aside: look for those of this volume, whose paths are set aside.
    """
    files = reader.sample(folder, _SAMPLE, aside)
    if not files:
        return True
    like_in_size = []
    for file in files:
        try:
            stat = os.lstat(file.path)
        except OSError:
            continue
        if stat.st_size == file.size_bytes:
            if stat.st_mtime_ns == file.mtime_ns:
                return True
            like_in_size.append(file)
    return any(_has_content(file) for file in like_in_size[:_HASHED])


def _has_content(file: SampleFile) -> bool:
    try:
        with open(file.path, "rb") as opened:
            digest = hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16))
    except OSError:
        return False
    return digest.digest() == file.content_hash


def _volume_at(folder: bytes) -> SeenVolume | None:
    """Return the volume at a folder; None where only others may look, or its server is gone."""
    try:
        stat = os.stat(folder)
        return SeenVolume(folder, uuid_of(folder), stat.st_dev, stat.st_ino)
    except OSError:
        return None


def _is_certain(seen: SeenVolume, known: VolumeRow) -> bool:
    """Whether a volume is the known one, without a look at its files."""
    if not _is_alike(seen, known):
        return False
    # Without a UUID: numbers of file systems that lie on no device of their own are given to the
    # next one that is mounted, and one card reader gives the same number to every card.
    is_on_device = os.major(seen.device) != 0
    return bool(seen.uuid) or (is_on_device and filesystem_of(seen.folder).has_stable_inodes)


def _is_alike(seen: SeenVolume, known: VolumeRow) -> bool:
    return (seen.uuid, seen.device, seen.inode) == (known.uuid, known.device, known.inode)


def _is_below(path: bytes, folders: frozenset[bytes]) -> bool:
    return any(is_within(path, folder) for folder in folders)
