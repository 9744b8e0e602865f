"""One look at one path: everything that the disk can tell about it, in one answer.

Whoever decides what a path needs decides from this answer and the catalog alone; all system
calls are here.
"""

from __future__ import annotations

import os
import stat as modes
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from clipd.errors import RootStalledError
from clipd.photo import Fingerprint
from clipd.watch.filesystems import filesystem_of
from clipd.watch.listing import folder_trouble, is_wanted, may_follow
from clipd.watch.open_files import at_rest
from clipd.watch.root import Root
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules
from clipd.watch.statx import FileStat, stat_with_birth

Kind = Literal[
    "outside",  # in no root: nothing was looked at
    "absent",
    "file",
    "folder",
    "linked folder",  # a symbolic link to a folder that is to be entered
    "other",  # any other link, a pipe, a device: never a photo
    "out of reach",  # the system refuses to tell
    "stalled",  # the disk of its root does not answer; all of it is scanned when it does
    "unsure",  # another volume may lie there than the catalog knows of: too early to tell
]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is at a path, as of one look.

    Fields that mean nothing for the kind keep their defaults.
    """

    path: bytes
    kind: Kind
    root: Root | None = None  # None for what is "outside"
    is_wanted: bool = True  # False: ignored by the rules, or behind a link that is not followed
    fingerprint: Fingerprint | None = None  # of a file, with its birth where it is known
    links: int = 1  # hard links of a file
    has_stable_inodes: bool = True  # whether an inode number says anything on this file system
    is_at_rest: bool = True  # nobody is writing the file
    is_deleted: bool = False  # of what is absent: whether that proves it was deleted
    trouble: str = ""  # why the folder cannot be read, or what keeps the path out of reach
    is_folder_unreadable: bool = False  # what is out of reach lies in a folder that is, too

    @property
    def is_root(self) -> bool:
        """Whether this is the root itself, whose state the watcher tells."""
        return self.root is not None and self.path == self.root.path


class Looker:
    """Looks at paths. For any thread; a disk that does not answer is given up after a while."""

    def __init__(self, roots: Roots, rules: Rules) -> None:
        self._roots = roots
        self._rules = rules

    def look(self, path: bytes, known_device: int | None = None) -> Seen:
        """Look at a path.

        Args:
            path: absolute.
            known_device: where the file lay when it was last seen, None when it is not known:
                what lay on a disk that is not there now is not deleted.
        """
        root = self._roots.of(path)
        if root is None:
            return Seen(path, "outside")
        try:
            return self._roots.disk(root).ask(lambda: self._look_surely(path, root, known_device))
        except RootStalledError:
            return Seen(path, "stalled", root)

    def fingerprint(self, path: bytes) -> Fingerprint | None:
        """Return the fingerprint of the file at a path in a root; None when there is no telling."""
        root = self._roots.of(path)
        if root is None:
            return None
        try:
            found = self._roots.disk(root).ask(lambda: stat_with_birth(path).fingerprint)
            return None if self._roots.volumes(root).is_unsure() else found
        except (OSError, RootStalledError):
            return None

    def _look_surely(self, path: bytes, root: Root, known_device: int | None) -> Seen:
        seen = self._look(path, root, known_device)
        return Seen(path, "unsure", root) if self._roots.volumes(root).is_unsure() else seen

    def _look(self, path: bytes, root: Root, known_device: int | None) -> Seen:
        try:
            found = stat_with_birth(path)
        except (FileNotFoundError, NotADirectoryError):
            return self._absent(path, root, known_device)
        except OSError as error:
            return self._out_of_reach(path, root, error)
        if modes.S_ISDIR(found.mode):
            return self._folder(path, root)
        if modes.S_ISREG(found.mode):
            return self._file(path, root, found)
        return self._other(path, root)

    def _absent(self, path: bytes, root: Root, known_device: int | None) -> Seen:
        is_deleted = known_device is not None and self._roots.is_proof(root, path, known_device)
        return Seen(path, "absent", root, is_deleted=is_deleted)

    def _out_of_reach(self, path: bytes, root: Root, error: OSError) -> Seen:
        return Seen(
            path,
            "out of reach",
            root,
            is_wanted=is_wanted(self._rules, root, path),
            trouble=error.strerror or str(error),
            is_folder_unreadable=folder_trouble(os.path.dirname(path)) is not None,
        )

    def _folder(self, path: bytes, root: Root) -> Seen:
        wanted = is_wanted(self._rules, root, path, is_folder=True)
        trouble = folder_trouble(path) or "" if wanted else ""
        return Seen(path, "folder", root, is_wanted=wanted, trouble=trouble)

    def _file(self, path: bytes, root: Root, found: FileStat) -> Seen:
        if not is_wanted(self._rules, root, path):
            return Seen(path, "file", root, is_wanted=False, fingerprint=found.fingerprint)
        return Seen(
            path,
            "file",
            root,
            fingerprint=found.fingerprint,
            links=found.links,
            has_stable_inodes=_has_stable_inodes(path, found),
            is_at_rest=at_rest(path, found.fingerprint),
        )

    def _other(self, path: bytes, root: Root) -> Seen:
        wanted = is_wanted(self._rules, root, path)
        is_entered = wanted and os.path.islink(path) and may_follow(self._rules, root, path)
        return Seen(path, "linked folder" if is_entered else "other", root, is_wanted=wanted)


def _has_stable_inodes(path: bytes, found: FileStat) -> bool:
    return _stable_inodes_in(os.path.dirname(path), found.fingerprint.device)


@lru_cache(maxsize=64)
def _stable_inodes_in(folder: bytes, device: int) -> bool:
    # By folder and device, so that another file system mounted there is asked anew.
    return filesystem_of(folder).has_stable_inodes
