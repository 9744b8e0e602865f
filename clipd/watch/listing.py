"""What one folder holds, as far as the rules let us look."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable
from dataclasses import dataclass, field

from clipd.photo import Fingerprint
from clipd.watch.root import Root, is_within
from clipd.watch.rules import Rules

# Stands for a file that is there but cannot be looked at; no file has it.
UNSEEN = Fingerprint(-1, -1, -1, -1, -1)


@dataclass(slots=True)
class Listing:
    """The files and the folders in one folder; names, in byte order."""

    files: list[tuple[bytes, Fingerprint]] = field(default_factory=list)
    folders: list[bytes] = field(default_factory=list)


def list_folder(
    rules: Rules, root: Root, folder: bytes, on_entry: Callable[[], None] = lambda: None
) -> Listing:
    """List what counts in a folder: regular files, and folders that are to be entered.

    Args:
        rules: what is ignored.
        root: the root that the folder lies in.
        folder: an absolute path.
        on_entry: called for each name, so that a long listing can be told from a silent disk.

    Raises:
        OSError: the folder is gone or cannot be read; never taken for empty.
    """
    found = Listing()
    here = rules.of(root)
    with os.scandir(folder) as entries:
        for entry in entries:
            on_entry()
            is_folder = _is_folder(rules, root, entry)
            if here.ignores_here(entry.path, is_folder=is_folder):
                continue
            if is_folder:
                found.folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                _add_file(found, folder, entry)
    found.files.sort(key=lambda file: file[0])
    found.folders.sort()
    return found


def is_wanted(rules: Rules, root: Root, path: bytes, *, is_folder: bool = False) -> bool:
    """Whether a path below a root counts: not ignored, and not behind a link that is not followed.

    A row of the catalog for which this is false belongs to no photo of ours any more, even
    though lstat still finds a file there.
    """
    if rules.of(root).ignores(path, is_folder=is_folder):
        return False
    above = path if is_folder else os.path.dirname(path)
    while len(above) > len(root.path):
        if os.path.islink(above) and not may_follow(rules, root, above):
            return False
        above = os.path.dirname(above)
    return True


def may_follow(rules: Rules, root: Root, link: bytes) -> bool:
    """Whether a symbolic link to a folder is to be entered.

    Not when it leads into a root, where the folder is found anyway, nor to a folder that
    the link itself lies in: no loop, and nothing twice.
    """
    if not rules.follow_symlinks:
        return False
    target = os.path.realpath(link)
    if any(is_within(target, path) or is_within(path, target) for path in rules.root_paths):
        return False
    return os.path.isdir(target) and not _is_above(target, link, root)


def folder_trouble(folder: bytes) -> str | None:
    """Say why a folder cannot be read, as the system says it; None when it can."""
    try:
        with os.scandir(folder) as entries:
            first = next(entries, None)  # one is enough: a folder may hold a million
        if first is not None:
            _insist_on_entering(first.path)
    except FileNotFoundError:
        return None  # the folder or its first file just went away: not a trouble of rights
    except OSError as error:
        return error.strerror or str(error)
    return None


def _insist_on_entering(path: bytes) -> None:
    """Raise PermissionError where a folder can be listed but not entered."""
    try:
        os.lstat(path)
    except PermissionError:
        raise
    except OSError:
        return  # a trouble of this one file


def _is_folder(rules: Rules, root: Root, entry: os.DirEntry[bytes]) -> bool:
    if entry.is_symlink():
        return entry.is_dir() and may_follow(rules, root, entry.path)
    return entry.is_dir(follow_symlinks=False)


def _add_file(found: Listing, folder: bytes, entry: os.DirEntry[bytes]) -> None:
    try:
        stat = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return  # went away since the folder was opened
    except OSError:
        if folder_trouble(folder) is not None:
            raise
        # One inode that the disk has lost must not hide all the others in its folder.
        found.files.append((entry.name, UNSEEN))
        return
    if modes.S_ISREG(stat.st_mode):
        found.files.append((entry.name, Fingerprint.of(stat)))


def _is_above(target: bytes, link: bytes, root: Root) -> bool:
    there = os.stat(target)
    above = os.path.dirname(link)
    while len(above) >= len(root.path):
        here = os.stat(above)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return True
        if above == root.path:
            break
        above = os.path.dirname(above)
    return False
