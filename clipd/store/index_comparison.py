"""What an index holds against what the catalog says belongs in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from clipd.photo import Ids
from clipd.store.pace import Pace
from clipd.store.reader import CatalogReader

_PAGE = 5000

# Returns the ids in (after, upto] that are held, ascending; upto None: all behind `after`.
Held: TypeAlias = Callable[[int, int | None], Ids]


def compare(
    reader: CatalogReader, model: int, held: Held, count: int, pace: Pace
) -> tuple[list[int], list[int]]:
    """Return the ids that are missing in the index, and those that are surplus, page by page.

    Args:
        count: about how many photos there are, for the pace.

    Raises:
        CheckStoppedError: the pace was told to end.
    """
    pace.begin("index", count)
    missing: list[int] = []
    surplus: list[int] = []
    last = 0
    while True:
        wanted = reader.indexable_ids(model, last, _PAGE)
        upto = int(wanted[-1]) if len(wanted) else None
        here = held(last, upto)
        missing += np.setdiff1d(wanted, here, assume_unique=True).tolist()
        surplus += np.setdiff1d(here, wanted, assume_unique=True).tolist()
        if upto is None:
            return missing, surplus
        last = upto
        pace.advance(len(wanted))
