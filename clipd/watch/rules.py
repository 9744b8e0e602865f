"""Which files and folders are looked at: not hidden ones, junk, and what the user excludes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache

from pathspec import GitIgnoreSpec

from clipd.config.options import WatchConfig
from clipd.deadline import answer_within
from clipd.errors import ConfigError
from clipd.watch.root import Root

# Never photos, whatever `watch.hidden` says: bins, thumbnails and metadata that desktops, NAS
# systems and Macs leave in picture folders.
JUNK_NAMES = frozenset(
    (
        b".Trash",
        b"#recycle",
        b"$RECYCLE.BIN",
        b"@eaDir",
        b"System Volume Information",
        b"lost+found",
        b".DS_Store",
        b"Thumbs.db",
        b"desktop.ini",
    )
)
_DISK_SECONDS = 2.0  # for the disk of a root to say whether its path is a link
JUNK_STARTS = (b".Trash-", b"._")


class Rules:
    """What is ignored below each root. Immutable, for any thread.

    ``follow_symlinks`` is the config's; ``root_paths`` are the roots without symbolic links, when
    links are followed.
    """

    def __init__(self, watch: WatchConfig, roots: Sequence[Root]) -> None:
        self.follow_symlinks = watch.follow_symlinks
        self.root_paths = tuple(_real(root.path) for root in roots) if watch.follow_symlinks else ()
        self._of = {root.id: RootRules(watch, root) for root in roots}

    def of(self, root: Root) -> RootRules:
        """Return the rules of one root."""
        return self._of[root.id]


class RootRules:
    """What is ignored below one root. Immutable, for any thread.

    Exclude patterns are those of gitignore, relative to the root; as in git, what lies in an
    excluded folder cannot be included again.
    """

    def __init__(self, watch: WatchConfig, root: Root) -> None:
        self.follow_symlinks = watch.follow_symlinks
        self._root = root.path
        self._hidden = watch.hidden
        self._excluded = _spec((*watch.exclude, *root.config.exclude))
        # Files come by folder, so that one decision on a folder serves many files.
        self._ignores_folders = lru_cache(maxsize=4096)(self._ignores_folder)

    def ignores(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether a path below the root is left alone, by its name or by that of a folder above."""
        if is_folder:
            return self._ignores_folders(path)
        return self._ignores_folders(os.path.dirname(path)) or self.ignores_here(
            path, is_folder=False
        )

    def ignores_here(self, path: bytes, *, is_folder: bool) -> bool:
        """The same for a path in a folder that is known not to be ignored."""
        name = os.path.basename(path)
        if not self._hidden and name.startswith(b"."):
            return True
        if is_junk(name):
            return True
        return self._is_excluded(path, is_folder=is_folder)

    def _ignores_folder(self, path: bytes) -> bool:
        if len(path) <= len(self._root):
            return False  # the root itself may be hidden: the user named it
        above = os.path.dirname(path)
        return self._ignores_folders(above) or self.ignores_here(path, is_folder=True)

    def _is_excluded(self, path: bytes, *, is_folder: bool) -> bool:
        if self._excluded is None:
            return False
        inside = os.fsdecode(path[len(self._root.rstrip(b"/")) + 1 :])
        return self._excluded.match_file(inside + "/" if is_folder else inside)


def is_junk(name: bytes) -> bool:
    """Whether a name is of those that are never looked at."""
    return name in JUNK_NAMES or name.startswith(JUNK_STARTS)


def _real(path: bytes) -> bytes:
    try:
        return answer_within(_DISK_SECONDS, lambda: os.path.realpath(path))
    except TimeoutError:
        return path  # a drive that does not answer must not keep us from starting


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec | None:
    if not patterns:
        return None
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ConfigError(f"exclude has a pattern that is not gitignore's: {error}") from error
