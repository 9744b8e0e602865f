"""Whether catalog and index agree, and what can be mended."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from clipd.store.catalog import Catalog
from clipd.store.follow import IndexFollower
from clipd.store.reader import CatalogReader

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the catalog and the index found."""

    ok: bool
    problems: tuple[str, ...] = ()


def verify(
    catalog: Catalog, reader: CatalogReader, follower: IndexFollower, *, repair: bool
) -> Verdict:
    """Compare the catalog with itself and the index with the catalog.

    Runs on the indexer's thread, so that nothing changes meanwhile.

    Args:
        repair: where they differ, drop damaged vectors, build the index anew from the
            catalog, and look again. The photos concerned are then encoded again.
    """
    problems = _problems(reader, follower)
    if problems and repair:
        _log.warning("repairing: %s", "; ".join(problems))
        with catalog.writing():
            catalog.repair()
        follower.rebuild()
        problems = _problems(reader, follower)
    return Verdict(not problems, tuple(problems))


def _problems(reader: CatalogReader, follower: IndexFollower) -> list[str]:
    follower.catch_up()
    missing, surplus = follower.differences()
    problems = list(reader.problems())
    if missing:
        problems.append(f"the index lacks {len(missing)} photos that the catalog has")
    if surplus:
        problems.append(f"the index holds {len(surplus)} photos that it should not")
    return problems
