"""Writing where photos lie, and which files are none."""

from __future__ import annotations

import os

from clipd.photo import FailureKind, Fingerprint
from clipd.store.rows import (
    DOUBTED_NS,
    FAILURE_COLUMNS,
    FINGERPRINT,
    PATH_COLUMNS,
    FailureRow,
    PathRow,
    as_text,
    failure_row,
    fingerprint_columns,
    folder_range,
    path_row,
    split,
    stored,
)
from clipd.store.writer import Writer

_NAMES_IN = """
    SELECT folder, name FROM paths WHERE gone_at IS NULL AND folder = ?1 AND name > ?2
    UNION ALL SELECT folder, name FROM failures WHERE folder = ?1 AND name > ?2
    ORDER BY name LIMIT ?3
"""
_NAMES_BELOW = """
    SELECT folder, name FROM paths
        WHERE gone_at IS NULL AND (folder, name) > (?1, ?2) AND folder < ?3
    UNION ALL SELECT folder, name FROM failures WHERE (folder, name) > (?1, ?2) AND folder < ?3
    ORDER BY folder, name LIMIT ?4
"""


class PathWriter:
    """The tables of paths and failures."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def path(self, path: bytes) -> PathRow | None:
        """Return the row of a path, a tombstone too; None when it was never known."""
        sql = f"SELECT {PATH_COLUMNS} FROM paths WHERE folder = ? AND name = ?"
        row = self._writer.first(sql, *split(path))
        return path_row(row) if row else None

    def paths_of(self, photo: int) -> list[bytes]:
        """Return the live paths of a photo."""
        sql = "SELECT folder, name FROM paths WHERE photo_id = ? AND gone_at IS NULL"
        return [os.path.join(*row) for row in self._writer.fetch(sql, photo)]

    def same_inode(self, fp: Fingerprint, besides: bytes, limit: int = 16) -> list[PathRow]:
        """Return rows, live and tombstones, that may be of the file with this fingerprint.

        Inode, size and mtime are the same, and the time of birth where both know it. Whether the
        file was renamed from there, linked there, or only given the inode, is for the disk to say.

        Args:
            fp: of a file as it is now.
            besides: the path of that file, whose own row is left out.
            limit: the most rows to return, for a file may have any number of hard links.
        """
        rows = self._writer.fetch(
            f"SELECT {PATH_COLUMNS} FROM paths WHERE inode = ? AND size_bytes = ? AND mtime_ns = ?"
            " AND (? = 0 OR ifnull(born_ns, 0) IN (0, ?)) AND NOT (folder = ? AND name = ?)"
            " LIMIT ?",
            *(stored(n) for n in (fp.inode, fp.size_bytes, fp.mtime_ns, fp.born_ns, fp.born_ns)),
            *(*split(besides), limit),
        )
        return [path_row(row) for row in rows]

    def paths_under(self, folder: bytes, after: bytes = b"", limit: int = 1000) -> list[bytes]:
        """Return live paths and failures below a folder at any depth, a page at a time.

        Args:
            after: the last path of the page before; ``b""`` for the first page.

        Returns:
            At most ``limit`` paths: those of the folder itself first, then by folder and name.
        """
        folder = folder.rstrip(b"/") or b"/"
        at, name = split(after) if after else (folder, b"")
        rows = self._writer.fetch(_NAMES_IN, folder, name, limit) if at == folder else []
        start, end = folder_range(folder)
        # In the top folder "/" the range begins with the folder itself.
        beyond = (at, name) if at != folder else (start + b"\0" if start == folder else start, b"")
        if len(rows) < limit:
            rows += self._writer.fetch(_NAMES_BELOW, *beyond, end, limit - len(rows))
        return [os.path.join(*row) for row in rows]

    def put_path(self, root: int, path: bytes, fp: Fingerprint, photo: int) -> None:
        """Say that a photo lies at a path; any tombstone or failure there is over."""
        self._writer.write(
            f"INSERT INTO paths (root_id, folder, name, photo_id, {FINGERPRINT})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folder, name) DO UPDATE SET"
            " root_id = excluded.root_id, photo_id = excluded.photo_id, gone_at = NULL,"
            " size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,"
            " ctime_ns = excluded.ctime_ns, inode = excluded.inode, device = excluded.device,"
            " born_ns = excluded.born_ns",
            *(root, *split(path), photo, *fingerprint_columns(fp)),
        )
        self.drop_failure(path)

    def doubt_path(self, path: bytes) -> None:
        """Have the file at a path read again, though it looks like the one that is known."""
        sql = "UPDATE paths SET mtime_ns = ?, ctime_ns = ? WHERE folder = ? AND name = ?"
        self._writer.write(sql, DOUBTED_NS, DOUBTED_NS, *split(path))

    def forget_path(self, path: bytes, now: int) -> bool:
        """Say that nothing lies at a path any more; False when nothing was known there.

        The row stays as a tombstone, so that a move seen in two halves costs nothing.
        """
        was_live = self._bury(path, now)
        had_failed = self.drop_failure(path)
        return was_live or had_failed

    def put_failure(
        self,
        root: int,
        path: bytes,
        fp: Fingerprint | None,
        kind: FailureKind,
        reason: str,
        now: int,
        *,
        world: str = "",
        tries: int = 1,
        retry_at: int | None = None,
    ) -> None:
        """Say why the file at a path is no photo; a live photo there becomes a tombstone.

        Not so when the file is "unreadable": a disk that fails, or a mount that is away, says
        nothing about the photo that is known there, which stays beside the failure.

        Args:
            world: what the refusal depended on besides the file; another world tries again.
            tries: how often the file was tried in this world.
            retry_at: when to try again though nothing changed, seconds since the epoch.
        """
        if kind != "unreadable":
            self._bury(path, now)
        self._writer.write(
            "INSERT INTO failures (folder, name, root_id, kind, reason, since, world, tries,"
            f" retry_at, {FINGERPRINT})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (folder, name) DO UPDATE SET"
            " since = CASE WHEN kind = excluded.kind THEN since ELSE excluded.since END,"
            " root_id = excluded.root_id, kind = excluded.kind, reason = excluded.reason,"
            " size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,"
            " ctime_ns = excluded.ctime_ns, inode = excluded.inode, device = excluded.device,"
            " born_ns = excluded.born_ns, world = excluded.world, tries = excluded.tries,"
            " retry_at = excluded.retry_at",
            *(*split(path), root, kind, as_text(reason), now, world, tries, retry_at),
            *fingerprint_columns(fp),
        )

    def failure(self, path: bytes) -> FailureRow | None:
        """Return why the file at a path is no photo; None when there is no failure."""
        sql = f"SELECT {FAILURE_COLUMNS} FROM failures WHERE folder = ? AND name = ?"
        row = self._writer.first(sql, *split(path))
        return failure_row(row) if row else None

    def failures_due(self, now: int, limit: int) -> list[bytes]:
        """Return files that were refused and are to be tried again by now."""
        sql = "SELECT folder, name FROM failures WHERE retry_at <= ? ORDER BY retry_at LIMIT ?"
        return [os.path.join(*row) for row in self._writer.fetch(sql, now, limit)]

    def retry_in_new_world(self, kind: FailureKind, world: str) -> int:
        """Make the refusals of a kind that were made in another world due; return how many."""
        # The index of the errors passes over the skipped, of which there may be 300,000.
        if kind == "sidecar":
            return 0
        sql = "UPDATE failures SET retry_at = 0 WHERE kind <> 'skipped' AND kind = ? AND world <> ?"
        return self._writer.write(sql, kind, world)

    def retry_under(self, path: bytes) -> int:
        """Make the refusals at a path and below it due; return how many."""
        start, end = folder_range(path)
        return self._writer.write(
            "UPDATE failures SET retry_at = 0 WHERE kind <> 'skipped' AND kind <> 'sidecar'"
            " AND ((folder = ? AND name = ?) OR folder = ? OR (folder >= ? AND folder < ?))",
            *(*split(path), path, start, end),
        )

    def drop_failure(self, path: bytes) -> bool:
        """Forget the failure of a path; False when there was none."""
        return (
            self._writer.write("DELETE FROM failures WHERE folder = ? AND name = ?", *split(path))
            > 0
        )

    def revive(self, root: int, since: int) -> int:
        """Make the tombstones of a root that are not older than ``since`` live again.

        For a root that went away while its files were being seen as deleted.

        Returns:
            How many paths are live again.
        """
        return self._writer.write(
            "UPDATE paths SET gone_at = NULL WHERE gone_at >= ? AND root_id = ? AND NOT EXISTS"
            " (SELECT 1 FROM failures f WHERE f.folder = paths.folder AND f.name = paths.name"
            " AND f.kind <> 'unreadable')",
            *(since, root),
        )

    def _bury(self, path: bytes, now: int) -> bool:
        sql = "UPDATE paths SET gone_at = ? WHERE folder = ? AND name = ? AND gone_at IS NULL"
        return self._writer.write(sql, now, *split(path)) > 0
