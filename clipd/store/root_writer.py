"""Writing which folders are watched, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Collection

from clipd.store.rows import folder_range, stored
from clipd.store.writer import Writer

_SLICE = 10_000  # rows that one transaction changes where many are to be changed


class RootWriter:
    """The table of roots, and what goes with a root that is no longer configured."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def root(self, path: bytes) -> int:
        """Return the id of a root, new or known, and mark it as configured."""
        # Writes only what is new: a start must do on a disk that is full or held by others.
        known = self._writer.first("SELECT id FROM roots WHERE path = ? AND configured", path)
        if known:
            return int(known[0])
        return self._writer.insert(
            "INSERT INTO roots (path) VALUES (?)"
            " ON CONFLICT (path) DO UPDATE SET configured = 1 RETURNING id",
            path,
        )

    def retire_roots(self, keep: Collection[int], now: int) -> int:
        """Turn the live paths of all other roots into tombstones and drop their failures.

        Opens transactions of its own, so it must not be called inside of ``writing``: a million
        paths take seconds, and a kill in the middle loses a slice only.

        Returns:
            How many paths are gone.
        """
        retired = self._writer.fetch("SELECT id, path FROM roots WHERE configured")
        return sum(self._retire(root, path, now) for root, path in retired if root not in keep)

    def _retire(self, root: int, path: bytes, now: int) -> int:
        self._in_slices("DELETE FROM failures WHERE rowid", root, path)
        bury = f"UPDATE paths SET gone_at = {now:d} WHERE gone_at IS NULL AND rowid"
        gone = self._in_slices(bury, root, path)
        with self._writer.writing():
            # The paths of volumes that are set aside come before all others: they begin with NUL.
            sql = "UPDATE paths SET gone_at = ? WHERE folder < x'01' AND root_id = ?"
            gone += self._writer.write(f"{sql} AND gone_at IS NULL", now, root)
        # Only now: a retirement that was cut short is taken up again by the next start.
        with self._writer.writing():
            self._writer.write("UPDATE roots SET configured = 0 WHERE id = ?", root)
        return gone

    def _in_slices(self, change: str, root: int, path: bytes) -> int:
        """Make a change to all rows of a root, a slice of them in each transaction.

        Args:
            change: a statement that ends in "rowid", such as "DELETE FROM failures WHERE rowid".
        """
        table = "failures" if "failures" in change else "paths"
        changed, at = 0, (path, b"")
        while page := self._rows_of_root(table, root, at, folder_range(path)[1]):
            with self._writer.writing():
                chosen = json.dumps([row for row, _, _ in page])
                changed += self._writer.write(
                    f"{change} IN (SELECT value FROM json_each(?))", chosen
                )
            at = page[-1][1:]
        return changed

    def _rows_of_root(
        self, table: str, root: int, at: tuple[bytes, bytes], end: bytes
    ) -> list[tuple[int, bytes, bytes]]:
        is_live = "gone_at IS NULL" if table == "paths" else "true"
        return self._writer.fetch(
            f"SELECT rowid, folder, name FROM {table} WHERE (folder, name) > (?, ?)"
            f" AND folder < ? AND root_id = ? AND {is_live} ORDER BY folder, name LIMIT ?",
            *(*at, end, root, _SLICE),
        )

    def remember_root(self, root: int, device: int, inode: int) -> None:
        """Keep which folder a root is, so that another one in its place is noticed."""
        sql = "UPDATE roots SET device = ?, inode = ? WHERE id = ?"
        self._writer.write(sql, stored(device), stored(inode), root)
