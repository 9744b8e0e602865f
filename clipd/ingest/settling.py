"""Changed paths, settled: looked at, decided upon, and written down where nothing is to be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from clipd.decode.sidecar import is_sidecar_name
from clipd.ingest.meta_keeper import MetaKeeper
from clipd.ingest.triage import (
    Decision,
    Forget,
    Known,
    LookAgain,
    LookBelow,
    NoteSidecar,
    Nothing,
    PutRow,
    ReadFile,
    RefreshFailure,
    Refuse,
    decide,
    needs_twins,
)
from clipd.photo import Fingerprint
from clipd.store.catalog import Catalog
from clipd.store.rows import FailureRow
from clipd.watch.backlog import Backlog
from clipd.watch.look import Looker, Seen

# Hard links of one inode can be thousands. One whose row is up to date is enough to settle the
# others, and one of few is found; where none of these is, reading the file settles it as well.
_MOST_TWINS = 8


@dataclass(frozen=True, slots=True)
class ToRead:
    """A file whose bytes have to be read: new, or changed."""

    path: bytes
    root: int


class Settler:
    """Settles changed paths. Used by the indexer's thread, in a transaction."""

    def __init__(
        self,
        catalog: Catalog,
        backlog: Backlog,
        looker: Looker,
        sidecar_changed: Callable[[bytes], None],
    ) -> None:
        """Make a settler.

        Args:
            sidecar_changed: told, in the transaction, of files beside photos that came or went.
        """
        self._catalog = catalog
        self._keeper = MetaKeeper(catalog)
        self._sidecar_changed = sidecar_changed
        self._backlog = backlog
        self._looker = looker

    def settle(self, path: bytes) -> ToRead | Iterator[bytes] | None:
        """Settle one path as far as the catalog can.

        Returns:
            the file to read; or more paths to look at (those of a folder that is gone); or nothing.
        """
        row = self._catalog.path(path)
        seen = self._looker.look(path, row.fingerprint.device if row is not None else None)
        known = Known(row, self._catalog.failure(path), (), self._backlog.has_waited_out(path))
        now = int(time.time())
        if needs_twins(seen, known, now) and seen.fingerprint is not None:
            twins = self._catalog.same_inode(seen.fingerprint, path, _MOST_TWINS)
            known = replace(known, twins=tuple(twins))
        return self._carry_out(decide(seen, known, now), seen, now)

    def _carry_out(
        self, decision: Decision, seen: Seen, now: int
    ) -> ToRead | Iterator[bytes] | None:
        root = seen.root.id if seen.root is not None else 0
        match decision:
            case Nothing():
                pass
            case ReadFile():
                return ToRead(seen.path, root)
            case PutRow(photo, fingerprint):
                self._catalog.put_path(root, seen.path, fingerprint, photo)
                self._keeper.renew_date(photo)
            case RefreshFailure(failure, fingerprint):
                self._refresh(failure, fingerprint)
            case Refuse(kind, reason, fingerprint):
                self._catalog.put_failure(root, seen.path, fingerprint, kind, reason, now)
            case NoteSidecar(fingerprint):
                reason = "says something of the photo beside it"
                self._catalog.put_failure(root, seen.path, fingerprint, "sidecar", reason, now)
                self._sidecar_changed(seen.path)
            case Forget(known_below):
                was_known = self._catalog.forget_path(seen.path, now)
                if was_known and is_sidecar_name(seen.path):
                    self._sidecar_changed(seen.path)
                return self._known_below(seen.path) if known_below else None
            case LookAgain(seconds):
                self._backlog.put_back(seen.path, seconds)
            case LookBelow(folder, is_deep):
                if folder == seen.path:
                    # The file that may have had this name, or an earlier trouble, is over.
                    self._catalog.forget_path(folder, now)
                self._backlog.folder(folder, deep=is_deep)
        return None

    def _refresh(self, failure: FailureRow, fingerprint: Fingerprint) -> None:
        self._catalog.put_failure(
            failure.root,
            failure.path,
            fingerprint,
            failure.kind,
            failure.reason,
            failure.since,
            world=failure.world,
            tries=failure.tries,
            retry_at=failure.retry_at,
        )

    def _known_below(self, folder: bytes) -> Iterator[bytes]:
        after = b""
        while page := self._catalog.paths_under(folder, after):
            yield from page
            after = page[-1]
