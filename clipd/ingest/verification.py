"""One check from its start to its verdict.

It only looks, beside everything else that goes on: in slices, on a thread of its own. What may be
a change that is just on its way is looked at again before it counts. And it writes nothing: what
is to be mended goes to the indexer, as a hint or as a call into its inbox.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from clipd.ingest.audit import DiskAudit
from clipd.ingest.disk_check import DiskCheck
from clipd.ingest.indexer import Store
from clipd.ingest.indexer_line import IndexerLine
from clipd.ingest.store_check import StoreCheck
from clipd.store.pace import Pace
from clipd.store.verify import CheckScope, Difference, Verdict
from clipd.watch.library import PhotoLibrary

_log = logging.getLogger(__name__)


class Verification:
    """A check; ``run`` is for its own thread."""

    def __init__(
        self,
        scope: CheckScope,
        store: Store,
        library: PhotoLibrary,
        indexer: IndexerLine,
        pace: Pace,
    ) -> None:
        self._scope = scope
        self._index = store.follower.index
        self._audit = DiskAudit(library)
        self._store_check = StoreCheck(store, library.reader, indexer, pace)
        self._disk_check = DiskCheck(store.catalog, self._audit, indexer, pace)
        self._mended: list[Difference] = []
        self._notes: list[str] = []

    def run(self) -> Verdict:
        """Check what is asked for; mend it where that is asked for.

        Raises:
            CheckStoppedError: it was told to end.
            StoppingError: clipd stops.
            StorageFullError: there is no room to mend anything.
        """
        differences = self._check_store()
        has_disk = self._scope.walks_disk
        if has_disk:
            differences += self._check_disk()
        return Verdict(
            tuple(differences),
            tuple(self._mended),
            tuple(self._audit.passed_over()) if has_disk else (),
            tuple(self._notes),
            photos=len(self._index),
            files=self._audit.count_files() if has_disk else 0,
            bytes_read=self._audit.bytes_read,
        )

    def _check_store(self) -> list[Difference]:
        check = self._store_check
        found = check.find()
        differences = check.describe(found)
        if not self._must_mend(differences):
            return differences
        check.mend(found)
        left = check.describe(check.find())
        self._note_mended(differences, left)
        return left

    def _check_disk(self) -> list[Difference]:
        check = self._disk_check
        found = check.find(self._audit.within_reach(), deep=self._scope.deep)
        differences = check.describe(found)
        if self._must_mend(differences):
            found = check.mend(found)
            left = check.describe(found)
            self._note_mended(differences, left)
            differences = left
        self._notes += check.notes(found)
        return differences

    def _must_mend(self, differences: Sequence[Difference]) -> bool:
        if not differences or not self._scope.repair:
            return False
        _log.warning("repairing: %s", "; ".join(one.sentence for one in differences))
        return True

    def _note_mended(self, before: Sequence[Difference], left: Sequence[Difference]) -> None:
        counts = {one.kind: one.count for one in left}
        self._mended += [one for one in before if one.count > counts.get(one.kind, 0)]
