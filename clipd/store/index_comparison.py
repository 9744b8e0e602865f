"""What an index holds against what the catalog says belongs in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from clipd.photo import Ids
from clipd.store.pace import Pace
from clipd.store.reader import CatalogReader

_PAGE = 5000

# Returns the ids in (after, upto] that are held, ascending; upto None: all behind `after`.
Held: TypeAlias = Callable[[int, int | None], Ids]


@dataclass(frozen=True, slots=True)
class ComparedPage:
    """Photos in the order of their ids, and which of them an index and its catalog disagree on."""

    count: int  # that the catalog says belong in the index
    missing: list[int]
    surplus: list[int]


def compared_pages(
    reader: CatalogReader, model: int, held: Held, size: int = _PAGE
) -> Iterator[ComparedPage]:
    """Compare page by page; the last one has no photos but what is surplus behind them.

    Args:
        size: photos in a page.
    """
    last = 0
    while True:
        wanted = reader.vectors.indexable_ids(model, last, size)
        upto = int(wanted[-1]) if len(wanted) else None
        here = held(last, upto)
        missing = np.setdiff1d(wanted, here, assume_unique=True).tolist()
        surplus = np.setdiff1d(here, wanted, assume_unique=True).tolist()
        yield ComparedPage(len(wanted), missing, surplus)
        if upto is None:
            return
        last = upto


def compare(
    reader: CatalogReader, model: int, held: Held, count: int, pace: Pace, size: int = _PAGE
) -> tuple[list[int], list[int]]:
    """Return the ids that are missing in the index, and those that are surplus.

    Args:
        count: about how many photos there are, for the pace.
        size: photos in a page.

    Raises:
        CheckStoppedError: the pace was told to end.
    """
    pace.begin("index", count)
    missing: list[int] = []
    surplus: list[int] = []
    for page in compared_pages(reader, model, held, size):
        missing += page.missing
        surplus += page.surplus
        pace.advance(page.count)
    return missing, surplus
