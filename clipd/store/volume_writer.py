"""Writing which file systems lie where, and whose paths are set aside for another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from clipd.store.rows import VolumeRow, aside_folder, folder_range, plain_folder, stored
from clipd.store.writer import Writer


class VolumeWriter:
    """The table of volumes, and the folders of their paths."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def take_volume(self, root: int, here: VolumeRow, before: int | None) -> bool:
        """Keep which file system lies at a folder of a root.

        Args:
            here: the one that is there; of id 0 when it is new.
            before: the one that was known there, None for none. If it is another, its paths are set
                aside; those of the one that has returned are put back in place.

        Returns:
            False when this was noted already, or something else has been since.
        """
        row = self._writer.first("SELECT id FROM volumes WHERE folder = ? AND is_here", here.folder)
        if (row[0] if row else None) != before:
            return False
        if before is not None and before != here.id:
            self._move_paths(here.folder, partial(aside_folder, before))
            self._writer.write("UPDATE volumes SET is_here = 0 WHERE id = ?", before)
        columns = (here.uuid, stored(here.device), stored(here.inode))
        if not here.id:
            sql = (
                "INSERT INTO volumes (root_id, folder, uuid, device, inode, is_here)"
                " VALUES (?, ?, ?, ?, ?, 1)"
            )
            self._writer.write(sql, root, here.folder, *columns)
            return True
        sql = "UPDATE volumes SET uuid = ?, device = ?, inode = ?, is_here = 1 WHERE id = ?"
        self._writer.write(sql, *columns, here.id)
        self._move_paths(aside_folder(here.id, here.folder), plain_folder)
        return True

    def _move_paths(self, top: bytes, renamed: Callable[[bytes], bytes]) -> None:
        """Give the live paths in a folder and below another folder each."""
        start, end = folder_range(top)
        within = "(folder = ? OR (folder > ? AND folder < ?)) AND gone_at IS NULL"
        sql = f"SELECT DISTINCT folder FROM paths WHERE {within}"
        for (folder,) in self._writer.fetch(sql, top, start, end):
            fresh = renamed(folder)
            # A tombstone of another volume would be in the way.
            self._writer.write("DELETE FROM paths WHERE folder = ? AND gone_at IS NOT NULL", fresh)
            sql = "UPDATE paths SET folder = ? WHERE folder = ? AND gone_at IS NULL"
            self._writer.write(sql, fresh, folder)
        self._writer.write(
            "DELETE FROM failures WHERE folder = ? OR (folder > ? AND folder < ?)", top, start, end
        )
