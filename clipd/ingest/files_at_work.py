"""The files on their way from a decoder to the catalog, and what a failed turn must do again."""

from __future__ import annotations

from clipd.ingest.claims import Claims
from clipd.ingest.settling import ToRead


class FilesAtWork:
    """Keeps count of the files that are read, decoded or encoded. The indexer's thread only.

    A file leaves when the turn ends that recorded it, not before: until then it cannot be found,
    and an event that tells of it waits.
    """

    def __init__(self, claims: Claims) -> None:
        """Begin with none.

        Args:
            claims: of contents; those of files that leave are given back.
        """
        self._claims = claims
        self._in_decoders: dict[int, ToRead] = {}  # by ticket
        self._paths: set[bytes] = set()  # from decoder to catalog
        self._ticket = 0
        # Of this turn:
        self._leaving: list[bytes] = []
        self._done_hashes: list[bytes] = []  # contents whose claims end
        self._touched: list[bytes] = []  # to be looked at again if it fails

    def __contains__(self, path: bytes) -> bool:
        return path in self._paths

    def __bool__(self) -> bool:
        return bool(self._paths)

    @property
    def in_decoders(self) -> int:
        """How many wait for a decoder or are in one."""
        return len(self._in_decoders)

    @property
    def count(self) -> int:
        """How many are at work, or are looked at in this turn. Any thread."""
        return max(len(self._paths), len(self._touched))

    def begin(self, file: ToRead) -> int:
        """Take in a file that a decoder is to read; return the ticket to know it by."""
        self._ticket += 1
        self._in_decoders[self._ticket] = file
        self._paths.add(file.path)
        return self._ticket

    def come_back(self, ticket: int) -> ToRead:
        """Return the file that a decoder is done with."""
        file = self._in_decoders.pop(ticket)
        self.touch(file.path)
        return file

    def touch(self, path: bytes) -> None:
        """Note that this turn records something of a path."""
        self._touched.append(path)

    def leave(self, path: bytes, content_hash: bytes | None = None) -> None:
        """Have a file leave at the end of this turn, and the claim on its content end."""
        self._leaving.append(path)
        if content_hash is not None:
            self._done_hashes.append(content_hash)

    def lost(self) -> list[bytes]:
        """Return the paths of which this turn, having failed, has recorded nothing."""
        return [path for path in self._touched if path not in self._paths or path in self._leaving]

    def end_turn(self) -> None:
        """Let go of what this turn was about: only now can it be found."""
        for content_hash in self._done_hashes:
            self._claims.release(content_hash)
        self._done_hashes.clear()
        self._touched.clear()
        self._paths.difference_update(self._leaving)
        self._leaving.clear()
