"""Writing what a check of the catalog asks for."""

from __future__ import annotations

import os
import sqlite3

from clipd.store import schema
from clipd.store.check import Damage, DanglingRow, unsound_among
from clipd.store.faults import damage_met
from clipd.store.writer import Writer


class RepairWriter:
    """Puts right what a check has found."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def repair(self, damage: Damage) -> list[bytes]:
        """Put right what a check has found, as far as it is still so.

        Vectors that cannot be one are dropped, and their photos encoded again by and by. What
        is wrong with the file itself is for the next start, which can set it aside.

        Returns:
            Paths to be looked at again, because their rows are dropped.

        Raises:
            CatalogCorruptError: more is wrong than can be mended while it is in use.
        """
        if damage.indexes:
            self._make_indexes_anew()
        orphans = [path for row in damage.dangling if (path := self._drop_dangling(row))]
        for key in unsound_among(self._writer.connection, damage.vectors):
            self._writer.write("DELETE FROM vectors WHERE photo_id = ? AND model_id = ?", *key)
        live = "(SELECT count(*) FROM paths WHERE photo_id = photos.id AND gone_at IS NULL)"
        for photo in damage.miscounted:
            self._writer.write(f"UPDATE photos SET live = {live} WHERE id = ?", photo)
        if damage.tallies or damage.miscounted or damage.dangling:
            self._writer.write("DELETE FROM tallies")
            self._writer.write(f"INSERT INTO tallies {schema.RECOUNT}")
        return orphans

    def _make_indexes_anew(self) -> None:
        try:
            self._writer.write("REINDEX")
        except sqlite3.IntegrityError as error:  # two rows where the table may have one
            raise damage_met(self._writer.file, error) from error

    def _drop_dangling(self, row: DanglingRow) -> bytes | None:
        if row.table not in ("paths", "failures"):
            self._writer.write(f"DELETE FROM {row.table} WHERE rowid = ?", row.row)
            return None
        found = self._writer.first(f"SELECT folder, name FROM {row.table} WHERE rowid = ?", row.row)
        self._writer.write(f"DELETE FROM {row.table} WHERE rowid = ?", row.row)
        return os.path.join(*found) if found else None
