"""What the disk and the catalog disagree about, for certain, and having it looked at again."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from clipd.ingest.audit import DiskAudit, Finding, OtherContent
from clipd.ingest.indexer_line import LOOK_SECONDS, IndexerLine, pages
from clipd.store.catalog import Catalog
from clipd.store.pace import Pace
from clipd.store.verify import SHOWN, Difference, DifferenceKind, sentence_of
from clipd.watch.root import Root

_MOST_SUSPECTS = 100_000  # paths that are remembered; beyond, a whole root is looked at again
_DOUBT_PAGE = 1000
_MOST_READ = 1000  # files that have changed by their looks and are read, to see whether they have
# Until a change on disk is in the backlog: watchdog holds back half of a move for half a second.
_NOTICE_SECONDS = 1.0
_QUIET_LOOKS = 3  # in a row, for a change that comes between two of them to be noticed, too
_SETTLE_SECONDS = 20.0  # granted to the indexer to deal with what is on its way
_STANDSTILL_SECONDS = 60.0  # after which a repair is not followed any further


@dataclass(slots=True)
class DiskFindings:
    """What differs."""

    paths: dict[bytes, Finding] = field(default_factory=dict)
    contents: list[OtherContent] = field(default_factory=list)
    cut_short: list[Root] = field(default_factory=list)  # roots with too many differences

    def __len__(self) -> int:
        return len(self.paths) + len(self.contents)


class DiskCheck:
    """For the thread of a check; what writes is called into the indexer's inbox."""

    def __init__(
        self, catalog: Catalog, audit: DiskAudit, indexer: IndexerLine, pace: Pace
    ) -> None:
        """Make a check.

        Args:
            catalog: only for what the indexer's thread does on the check's behalf.
        """
        self._catalog = catalog
        self._audit = audit
        self._indexer = indexer
        self._pace = pace

    def find(self, roots: Sequence[Root], *, deep: bool) -> DiskFindings:
        """Walk roots; with ``deep``, read every file too."""
        found = DiskFindings()
        suspects: dict[bytes, None] = {}
        for root in roots:
            for path in self._audit.walk(root, self._pace):
                suspects[path] = None
                if len(suspects) >= _MOST_SUSPECTS:
                    found.cut_short.append(root)
                    break
        self._sort_out(suspects, found)
        self._pass_over_touched(found)
        if deep:
            for root in roots:
                found.contents += self._audit.other_contents(root, self._pace)
        return found

    def describe(self, found: DiskFindings) -> list[Difference]:
        """Return what was found, by kind."""
        by_kind: dict[DifferenceKind, list[bytes]] = {}
        for path, finding in found.paths.items():
            if finding != "kept":
                by_kind.setdefault(finding, []).append(path)
        for content in found.contents:
            kind: DifferenceKind = "unreadable" if content.found is None else "content"
            by_kind.setdefault(kind, []).append(content.known.path)
        return [
            Difference(kind, len(paths), sentence_of(kind, len(paths)), tuple(paths[:SHOWN]))
            for kind, paths in by_kind.items()
        ]

    def notes(self, found: DiskFindings) -> Iterator[str]:
        """Say what else there is to know about what was found."""
        kept = Counter(found.paths.values())["kept"]
        if kept:
            yield (
                f"{kept:,} known paths are kept though nothing is there: "
                "the disk that they lay on is away"
            )
        for root in found.cut_short:
            yield f"too many paths differ: not all of {os.fsdecode(root.path)} was compared"
        waiting = self._indexer.waiting()
        if found and (waiting or self._indexer.is_held()):
            yield (
                f"{waiting:,} changes wait to be indexed, which may explain it; "
                "see: clipctl status --wait"
            )

    def mend(self, found: DiskFindings) -> DiskFindings:
        """Have the indexer look at all that differs, follow it, and return what is left."""
        self._hand_over(found)
        self._pace.begin("repairing", len(found))
        moved_at = time.monotonic()
        while True:
            is_over = not self._indexer.waiting() or self._indexer.is_held()
            left = self._still(found)
            if len(left) < len(found):
                self._pace.advance(len(found) - len(left))
                moved_at = time.monotonic()
            found = left
            if not found or is_over or time.monotonic() - moved_at > _STANDSTILL_SECONDS:
                return found
            self._pace.wait(LOOK_SECONDS)

    def _sort_out(self, suspects: Collection[bytes], found: DiskFindings) -> None:
        """Find out which suspects differ for certain: a change may just be on its way."""
        if not suspects:
            return
        self._pace.begin("what differs")
        self._pace.wait(_NOTICE_SECONDS)
        deadline = time.monotonic() + _SETTLE_SECONDS
        quiet_looks = 0
        while True:
            # Asked before the look: what was dealt with in between is then seen.
            is_quiet = not self._indexer.waiting() or self._indexer.is_held()
            quiet_looks = quiet_looks + 1 if is_quiet else 0
            found.paths = self._findings(suspects)
            suspects = found.paths
            is_over = quiet_looks >= _QUIET_LOOKS or time.monotonic() >= deadline
            if not suspects or is_over:
                return
            self._pace.wait(LOOK_SECONDS)

    def _pass_over_touched(self, found: DiskFindings) -> None:
        """Take out the files that only look changed; the indexer is to learn their looks."""
        changed = [path for path, finding in found.paths.items() if finding == "changed"]
        for path in changed[:_MOST_READ]:
            if self._audit.is_only_touched(path, self._pace):
                del found.paths[path]
                self._indexer.backlog.hint(path, closed=True)

    def _findings(self, paths: Collection[bytes]) -> dict[bytes, Finding]:
        found: dict[bytes, Finding] = {}
        for path in paths:
            finding = self._audit.finding(path)
            if finding is not None:
                found[path] = finding
            self._pace.advance(0)
        return found

    def _still(self, found: DiskFindings) -> DiskFindings:
        contents = [one for one in found.contents if self._audit.is_still_other(one)]
        return DiskFindings(self._findings(found.paths), contents, found.cut_short)

    def _hand_over(self, found: DiskFindings) -> None:
        # Files that look the same are read again only when their rows say otherwise.
        same_look = [one.known.path for one in found.contents if one.found is not None]
        for page in pages(same_look, _DOUBT_PAGE):
            self._doubt(page)
        for path in (*found.paths, *same_look):
            self._indexer.backlog.hint(path, closed=True)
        for root in found.cut_short:
            self._indexer.backlog.folder(root.path, deep=True)

    def _doubt(self, paths: Sequence[bytes]) -> None:
        def doubt() -> None:
            with self._catalog.writing():
                for path in paths:
                    self._catalog.doubt_path(path)

        self._indexer.do(doubt, self._pace)
