"""When a file on disk is the one that the catalog knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from clipd.photo import Fingerprint


def same(
    known: Fingerprint, seen: Fingerprint, *, stable_inodes: bool = True
) -> Literal["same", "refresh", "changed"]:
    """Compare what the catalog knows of a path with what the disk says.

    Args:
        known: from the catalog.
        seen: from lstat.
        stable_inodes: whether the file system keeps inode numbers across mounts.

    Returns:
        ``same``: nothing to do. ``refresh``: the same content after a new mount; the row is
        to be updated, the file not to be read. ``changed``: read it.
    """
    if known == seen:
        return "same"
    # Device numbers are handed out at mount time, so a disk that comes back may have another.
    remounted = replace(known, device=seen.device)
    if not stable_inodes:
        # Such file systems make up inodes, and FAT keeps no change time.
        remounted = replace(remounted, inode=seen.inode, ctime_ns=seen.ctime_ns)
    return "refresh" if remounted == seen else "changed"
