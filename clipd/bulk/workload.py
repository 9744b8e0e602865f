"""Which files are still to be done, and which of them kill whoever takes them up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from clipd.bulk.batch import Batch, RefusedFile
from clipd.store.vector_file import PortableFile

_MOST_DEATHS = 3


class Workload:
    """Hands out files in batches, and takes back those of actors that died. For one thread.

    Nobody knows which file of a lost batch was to blame, if any: an actor dies with its node as
    well. So the batch is a suspect, and is halved until one file stands alone; a suspect is given
    to an actor that has nothing else, so that no other file is blamed for it.
    """

    def __init__(self, files: Iterator[PortableFile], size: int) -> None:
        """Begin with all files to do.

        Args:
            files: read only as far as there is work for.
            size: how many make a batch.
        """
        self._files = files
        self._size = size
        self._returned: deque[Batch] = deque()  # no suspects
        self._suspects: deque[Batch] = deque()
        self._out = 0  # batches that are with somebody
        self._is_read = False  # `files` is at its end

    @property
    def is_done(self) -> bool:
        """Whether every file was answered for."""
        return self._is_read and not (self._returned or self._suspects or self._out)

    def is_empty(self) -> bool:
        """Whether there is nothing to do at all; reads files until there is a batch."""
        if not self._returned and (batch := self._next(has_nothing=False)):
            self._returned.append(batch)
        return self.is_done

    def take(self, *, has_nothing: bool) -> Batch | None:
        """Return a batch for an actor; None when there is none for it now.

        Args:
            has_nothing: whether the actor is without work, as it has to be for a suspect.
        """
        batch = self._next(has_nothing)
        self._out += batch is not None
        return batch

    def finish(self) -> None:
        """Note that a batch that was taken is answered for."""
        self._out -= 1

    def give_back(self, batch: Batch) -> None:
        """Take back a batch that was not done, for no fault of its files."""
        self._out -= 1
        (self._suspects if batch.is_suspect else self._returned).append(batch)

    def lose(self, batch: Batch) -> tuple[RefusedFile, ...]:
        """Take back a batch whose actor died; return the file that is given up, if it is one."""
        self._out -= 1
        if len(batch.files) > 1:
            middle = len(batch.files) // 2
            for half in (batch.files[:middle], batch.files[middle:]):
                self._suspects.append(Batch(half, is_suspect=True))
            return ()
        # The first time it may not have been alone with its actor.
        deaths = batch.deaths_alone + batch.is_suspect
        if deaths < _MOST_DEATHS:
            self._suspects.append(replace(batch, is_suspect=True, deaths_alone=deaths))
            return ()
        reason = f"the process that worked on this file alone died {deaths} times"
        return (RefusedFile(batch.files[0], "crash", reason),)

    def _next(self, has_nothing: bool) -> Batch | None:
        if has_nothing and self._suspects:
            return self._suspects.popleft()
        if self._returned:
            return self._returned.popleft()
        if files := tuple(islice(self._files, self._size)):
            return Batch(files)
        self._is_read = True
        return None
