"""How a check reaches the one that writes, and sees what it is doing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clipd.ingest.inbox import Inbox
from clipd.ingest.indexer import IngestProgress
from clipd.store.pace import Pace
from clipd.watch.backlog import Backlog

T = TypeVar("T")

LOOK_SECONDS = 0.25  # between two looks at what the indexer is doing


@dataclass(frozen=True, slots=True)
class IndexerLine:
    """The write path as a check sees it."""

    inbox: Inbox
    backlog: Backlog
    progress: Callable[[], IngestProgress]
    is_held: Callable[[], bool]  # paused, or resting: nothing that is handed over is done soon

    def waiting(self) -> int:
        """Return how many changes wait or are at work."""
        now = self.progress()
        return now.waiting + now.working

    def do(self, work: Callable[[], T], pace: Pace) -> T:
        """Have the indexer's thread do something; wait for it no longer than the check goes on.

        Raises:
            CheckStoppedError: the check was told to end.
            StoppingError: the indexer has ended.
        """
        called = self.inbox.call(work)
        try:
            while True:
                try:
                    return called.result(LOOK_SECONDS)
                except TimeoutError:
                    if called.done():
                        raise
                    pace.advance(0)
        finally:
            called.cancel()


def pages(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces, each for one call: others wait for the indexer as well."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
