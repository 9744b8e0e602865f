"""Writing which folders are watched, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from clipd.store.rows import folder_range, stored
from clipd.store.writer import Writer

_SLICE = 2000  # rows of one transaction: .03 s of a million paths (measured)


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

    def retire_roots(self, keep: Collection[int], now: int) -> Iterator[int]:
        """Retire all other roots, a slice of their rows each time the iterator is asked.

        Live paths become tombstones, and failures are dropped. What lies in a root that is kept,
        because one lay inside of the other, belongs to that one from then on.

        Each step is a transaction of its own, so that it must not be asked for inside of
        ``writing``. What is left after a kill is found by the next who asks.

        Yields:
            How many paths are gone with the step.
        """
        roots = self._writer.fetch("SELECT id, path FROM roots WHERE configured ORDER BY id")
        kept = [(root, path) for root, path in roots if root in keep]
        for root, path in roots:
            if root in keep:
                continue
            yield from self._in_slices("failures", root, path, kept, "DELETE FROM failures")
            bury = f"UPDATE paths SET gone_at = {now:d}"
            yield from self._in_slices("paths", root, path, kept, bury)
            # Only now: a retirement that was cut short is taken up again by the next start.
            with self._writer.writing():
                self._writer.write("UPDATE roots SET configured = 0 WHERE id = ?", root)

    def _in_slices(
        self, table: str, root: int, path: bytes, kept: Sequence[tuple[int, bytes]], change: str
    ) -> Iterator[int]:
        """Make a change to all rows of a root but for those that go to a root that is kept.

        Args:
            change: a statement without its WHERE.
        """
        # The paths of volumes that are set aside come before all others: they begin with NUL.
        for at, end in (((b"", b""), b"\x01"), ((path, b""), folder_range(path)[1])):
            while page := self._rows_of_root(table, root, at, end):
                rows: dict[int | None, list[int]] = {}
                for row, folder, _ in page:
                    rows.setdefault(_root_of(folder, kept), []).append(row)
                changed = self._change(change, rows.pop(None, []))
                for heir, inherited in rows.items():
                    self._change(f"UPDATE {table} SET root_id = {heir:d}", inherited)
                at = page[-1][1:]
                yield changed if table == "paths" else 0

    def _change(self, change: str, rows: Sequence[int]) -> int:
        """Make a change to rows in a transaction; return how many there were."""
        if not rows:
            return 0
        with self._writer.writing():
            return self._writer.write(
                f"{change} WHERE rowid IN (SELECT value FROM json_each(?))", json.dumps(rows)
            )

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


def _root_of(folder: bytes, roots: Sequence[tuple[int, bytes]]) -> int | None:
    """Return the root that a folder lies in, of roots of which none lies in another."""
    for root, path in roots:
        if folder == path or folder.startswith(folder_range(path)[0]):
            return root
    return None
