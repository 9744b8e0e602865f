"""The catalog's journal: which photos the index has to look at again, in order."""

from __future__ import annotations

from clipd.store.read_connections import ReadConnections


class Journal:
    """Answers what has changed since; any thread may ask. Triggers of the schema write it."""

    def __init__(self, connections: ReadConnections) -> None:
        """Ask over connections that somebody else closes."""
        self._connections = connections

    def after(self, seq: int, limit: int) -> tuple[int, list[int]]:
        """Return up to ``limit`` entries: the last one's number, and the distinct photos."""
        sql = "SELECT seq, photo_id FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = self._connections.fetch(sql, seq, limit)
        return (rows[-1][0] if rows else seq), list({photo: None for _, photo in rows})

    def span(self) -> tuple[int, int]:
        """Return (floor, head): the highest number ever trimmed, and the highest ever given."""
        row = self._connections.first(
            "SELECT (SELECT min(seq) FROM journal),"
            " (SELECT seq FROM sqlite_sequence WHERE name = 'journal')"
        )
        first, head = row or (None, None)
        head = int(head or 0)
        return (head if first is None else int(first) - 1), head

    def lineage(self) -> str:
        """Return the token of this catalog's line of history: numbers of another mean nothing."""
        row = self._connections.first("SELECT token FROM lineage")
        return str(row[0]) if row else ""
