"""The paths to look at next: fresh hints first, then what scanned folders hold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from clipd.watch.backlog import Backlog, Folder

_PAGE = 256


@dataclass(slots=True)
class _Expansion:
    paths: Iterator[bytes]
    expected: int  # about how many are still to come


class Changes:
    """One stream of paths out of the backlog. The indexer's thread; ``len`` for any."""

    def __init__(self, backlog: Backlog, expand: Callable[[Folder], Iterator[bytes]]) -> None:
        """Make the stream.

        Args:
            expand: lists the paths of a folder that differ from the catalog.
        """
        self._backlog = backlog
        self._expand = expand
        self._paths: deque[bytes] = deque()
        self._expansions: deque[_Expansion] = deque()

    def __len__(self) -> int:
        expanding = sum(expansion.expected for expansion in list(self._expansions))
        return len(self._backlog) + len(self._paths) + expanding

    def has_more(self) -> bool:
        """Whether ``next`` would look further than the backlog's future."""
        return bool(self._paths or self._expansions)

    def wait(self, seconds: float) -> None:
        """Take what is due out of the backlog; wait for it as long as given, which may be 0."""
        if self._paths:
            return
        work = self._backlog.take(_PAGE, seconds)
        self._paths.extend(work.paths)
        for folder in work.folders:
            self._expansions.append(_Expansion(self._expand(folder), folder.expected))

    def next(self) -> bytes | None:
        """Return the next path, or None when nothing is due."""
        if self._paths:
            return self._paths.popleft()
        while self._expansions:
            expansion = self._expansions[0]
            path = next(expansion.paths, None)
            if path is not None:
                expansion.expected = max(0, expansion.expected - 1)
                return path
            self._expansions.popleft()
        return None

    def add(self, paths: Iterator[bytes]) -> None:
        """Add paths found on the way, such as those of a folder that is gone."""
        self._expansions.append(_Expansion(paths, 0))

    def put_back(self, path: bytes, delay_seconds: float) -> None:
        """Have a path looked at again later."""
        self._backlog.put_back(path, delay_seconds)

    def wake(self) -> None:
        """End a ``wait`` of another thread."""
        self._backlog.wake()
