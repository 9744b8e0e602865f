"""What a changed path needs: nothing, a row, or to be read.

The cheap half of the write path. It looks at a path with one ``lstat`` and settles whatever
the catalog alone can answer: unchanged, renamed, copied by hard link, gone, not a picture.
What is left has to be read, and is handed back to the indexer.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from clipd.decode.formats import is_picture_name, skip_reason
from clipd.photo import Fingerprint
from clipd.store.catalog import Catalog
from clipd.watch.backlog import Backlog
from clipd.watch.compare import same
from clipd.watch.filesystems import filesystem_of
from clipd.watch.listing import folder_trouble, is_wanted, may_follow
from clipd.watch.open_files import at_rest
from clipd.watch.root import Root
from clipd.watch.roots import Roots
from clipd.watch.rules import Rules

_UNREST_SECONDS = 0.3  # how soon to look again at a file that is still being written


@dataclass(frozen=True, slots=True)
class ToRead:
    """A file whose bytes have to be read: new, or changed."""

    path: bytes
    root: int


class Triage:
    """Decides what each changed path needs. Used by the indexer's thread, in a transaction."""

    def __init__(self, catalog: Catalog, backlog: Backlog, roots: Roots, rules: Rules) -> None:
        self._catalog = catalog
        self._backlog = backlog
        self._roots = roots
        self._rules = rules

    def look(self, path: bytes) -> ToRead | Iterator[bytes] | None:
        """Settle one path as far as the catalog can.

        Returns:
            the file to read; or more paths to look at (a folder that is gone); or nothing.
        """
        root = self._roots.of(path)
        if root is None:
            return None
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return self._absent(root, path)
        except OSError as error:
            self._out_of_reach(root, path, error)
            return None
        is_folder = stat.S_ISDIR(info.st_mode)
        if not is_wanted(self._rules, root, path, is_folder=is_folder):
            self._forget(path)
            return self._known_below(path) if is_folder else None
        if is_folder:
            self._folder(root, path)
        elif stat.S_ISREG(info.st_mode):
            return self._present(root, path, info)
        else:
            self._link_or_other(root, path)
        return None

    def _out_of_reach(self, root: Root, path: bytes, error: OSError) -> None:
        above = os.path.dirname(path)
        if not is_wanted(self._rules, root, path):
            self._forget(path)  # such as behind a link that leads to itself
        elif path == root.path:
            return  # its state tells
        elif folder_trouble(above) is not None:
            # The look at the folder will say so; what is known in it stays.
            self._backlog.folder(above, deep=False)
        elif not self._is_live(path):
            reason = f"the system cannot look at it: {error.strerror}"
            self._catalog.put_failure(root.id, path, None, "unreadable", reason, _now())

    def _folder(self, root: Root, path: bytes) -> None:
        trouble = folder_trouble(path)
        if trouble is None:
            self._forget(path)  # the file that may have had this name, or an earlier trouble
            self._backlog.folder(path, deep=True)
        elif path != root.path:  # of a root, its state tells
            reason = f"the folder cannot be read: {trouble}"
            self._catalog.put_failure(root.id, path, None, "unreadable", reason, _now())

    def _link_or_other(self, root: Root, path: bytes) -> None:
        self._forget(path)
        if os.path.islink(path) and may_follow(self._rules, root, path):
            self._backlog.folder(path, deep=True)

    def _forget(self, path: bytes) -> None:
        self._catalog.forget_path(path, _now())

    def _present(self, root: Root, path: bytes, info: os.stat_result) -> ToRead | None:
        seen = Fingerprint.of(info)
        if not is_picture_name(os.path.basename(path)):
            self._skip(root, path, seen)
            return None
        if self._is_settled(root, path, seen):
            return None
        if not at_rest(path, info) and not self._backlog.has_waited_out(path):
            self._backlog.put_back(path, _UNREST_SECONDS)
            return None
        # Where inodes are made up, that of one photo is soon that of another, and cameras
        # write many of one size in one tick of such a file system's clock: the hash tells.
        moved = self._catalog.moved_from(seen) if _is_inode_true(path, seen) else None
        if moved is not None:
            self._catalog.put_path(root.id, path, seen, moved.photo)
            return None
        return ToRead(path, root.id)

    def _is_settled(self, root: Root, path: bytes, seen: Fingerprint) -> bool:
        """Whether the catalog already tells the truth about this file, or now does."""
        failure = self._catalog.failure(path)
        if failure is not None and failure.fingerprint is not None:
            verdict = _compare(path, failure.fingerprint, seen)
            if verdict == "refresh":
                self._catalog.put_failure(
                    root.id, path, seen, failure.kind, failure.reason, failure.since
                )
            return verdict != "changed"
        row = self._catalog.path(path)
        if row is None:
            return False
        verdict = _compare(path, row.fingerprint, seen)
        if verdict == "changed":
            return False
        if verdict == "refresh" or row.gone_at is not None:
            self._catalog.put_path(root.id, path, seen, row.photo)
        return True

    def _is_live(self, path: bytes) -> bool:
        row = self._catalog.path(path)
        return row is not None and row.gone_at is None

    def _absent(self, root: Root, path: bytes) -> Iterator[bytes] | None:
        row = self._catalog.path(path)
        if row is not None and row.gone_at is None:
            if self._roots.is_proof(root, path, row.fingerprint.device):
                self._forget(path)
            return None
        self._catalog.drop_failure(path)  # nothing is lost with it: no proof is needed
        return self._known_below(path)

    def _known_below(self, folder: bytes) -> Iterator[bytes]:
        after = b""
        while page := self._catalog.paths_under(folder, after):
            yield from page
            after = page[-1]

    def _skip(self, root: Root, path: bytes, seen: Fingerprint) -> None:
        failure = self._catalog.failure(path)
        if failure is None or failure.kind != "skipped":
            reason = skip_reason(os.path.basename(path))
            self._catalog.put_failure(root.id, path, seen, "skipped", reason, _now())


def _compare(
    path: bytes, known: Fingerprint, seen: Fingerprint
) -> Literal["same", "refresh", "changed"]:
    return same(known, seen, stable_inodes=_is_inode_true(path, seen))


def _is_inode_true(path: bytes, seen: Fingerprint) -> bool:
    return _has_stable_inodes(os.path.dirname(path), seen.device)


@lru_cache(maxsize=64)
def _has_stable_inodes(folder: bytes, device: int) -> bool:
    # By folder and device, so that another file system mounted there is asked anew.
    return filesystem_of(folder).has_stable_inodes


def _now() -> int:
    return int(time.time())
