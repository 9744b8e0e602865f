"""What the rest of clipd asks of an index, wherever its vectors lie.

Two keep it: files that this process has mapped (``index``, ``follow``), and a Milvus
(``milvus_index``, ``milvus_follow``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clipd.photo import Ids, ModelSpec, Vectors
from clipd.store.pace import Pace


@dataclass(frozen=True, slots=True)
class IndexState:
    """What can be told of the index."""

    kind: str  # "flat", "fp16", "ivf", "milvus"
    photos: int
    lists: int = 0  # of an IVF, and how many of them a search reads; 0: all photos are compared
    nprobe: int = 0
    recall: float = 1.0  # of the ten best, as it was measured
    changes: int = 0  # since the base was built
    is_merging: bool = False  # a new base is being built
    behind: int = 0  # changes of the catalog that it has not taken in yet
    away: str = ""  # why it cannot be asked, as a sentence; "" while it can


class PhotoIndex(Protocol):
    """Vectors by photo id. Any thread may ask; one changes it."""

    @property
    def dim(self) -> int:
        """How long a vector is."""

    @property
    def kind(self) -> str:
        """Which it is: "flat", "fp16", "ivf" or "milvus"."""

    def __len__(self) -> int:
        """Return how many photos can be found."""

    def __contains__(self, photo: int) -> bool:
        """Tell whether a photo can be found."""

    def ids(self) -> Ids:
        """Return the ids it holds, in no order.

        Raises:
            IndexAwayError: it cannot be asked just now.
        """

    def replace(self, drop: Ids, ids: Ids, vectors: Vectors) -> None:
        """Take out ``drop`` and old vectors of ``ids``, then add ``ids``.

        Args:
            drop: ids to take out; those that are not there are passed over.
            ids: distinct ids, of the rows of ``vectors``.
            vectors: shape (n, dim), unit rows.

        Raises:
            IndexAwayError: it cannot be asked just now.
        """

    def vectors(self, ids: Ids) -> tuple[Ids, Vectors]:
        """Return those of ``ids`` that are here, in the same order, and their vectors."""

    def search(
        self, query: Vectors, k: int, within: Ids | None = None
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Return at most ``k`` ids and their inner products, best first, equal ones by id.

        Args:
            query: shape (dim,) or (1, dim), unit.
            within: only these ids are looked at, distinct ones; None: all.

        Raises:
            IndexAwayError: it cannot be asked just now.
        """


class BaseBuilder(Protocol):
    """Builds what makes a start with another index quick, beside the other work."""

    @property
    def is_running(self) -> bool:
        """Whether it is being built. Any thread."""

    def begin(self) -> None:
        """Begin, unless it has begun.

        Raises:
            StoreUnavailableError: it cannot be built now.
        """

    def poll(self) -> int | None:
        """Go on with it; return how far the journal is covered by it when it is done.

        Raises:
            StoreUnavailableError: it cannot be built now.
        """

    def stop(self) -> None:
        """End it at once."""


class Follower(Protocol):
    """The only one that writes the index, on the indexer's thread, from the catalog's journal.

    ``index`` is one object for life; it may be searched from any thread.
    """

    @property
    def index(self) -> PhotoIndex:
        """What it keeps equal to the catalog."""

    def start(self) -> str:
        """Fill the index from what was kept of it and the journal; return what was done."""

    def catch_up(self) -> int:
        """Take in what the journal says since the last time; return how many photos."""

    def save(self, within_seconds: float = ...) -> int:
        """Keep what would be replayed else; return up to where the journal may be trimmed.

        Raises:
            StoreUnavailableError: there is no room, or no time.
        """

    def builder_of(self, model_id: int, spec: ModelSpec) -> BaseBuilder:
        """Return what builds the index of another model of the catalog, to be used next."""

    def begin_merge(self) -> None:
        """Have a new base built beside the other work, where there is such a thing."""

    def poll_merge(self) -> int | None:
        """Return what ``save`` returns where there is news of it, else None."""

    def stop_merging(self) -> None:
        """End what ``begin_merge`` has begun."""

    def hurry(self) -> None:
        """Wait for no engine any more: clipd stops, and the journal keeps what it lacks."""

    def close(self) -> None:
        """Let go of files, children and connections; nothing is to be found any more."""

    def state(self) -> IndexState:
        """Tell how the index stands. Any thread."""

    def is_stale(self) -> bool:
        """Tell whether a new base is worth its building."""

    def is_worth_saving(self) -> bool:
        """Tell whether a start would be quicker after a ``save``."""

    def must_go_on(self) -> bool:
        """Tell whether ``catch_up`` has more to do at once."""

    def trouble(self) -> str:
        """Say what is wrong with the index, "" when nothing is. Any thread."""

    def differences(self, pace: Pace | None = None) -> tuple[list[int], list[int]]:
        """Return the ids that are missing in the index, and those that are surplus. Any thread.

        Raises:
            CheckStoppedError: the pace was told to end.
            IndexAwayError: it cannot be asked just now.
        """

    def base_problem(self, pace: Pace) -> str:
        """Read what lies on the disk again; say what is wrong with it, or "". Any thread."""

    def drop_base(self) -> None:
        """Build the index anew, and drop what lies on the disk. On the indexer's thread."""

    def confirmed(self, photos: Collection[int]) -> tuple[list[int], list[int]]:
        """Return those of ``photos`` that the index lacks, and those that it should not hold so.

        On the indexer's thread, so that nothing changes meanwhile.
        """

    def mend(self, photos: Collection[int]) -> None:
        """Have the index say of ``photos`` what the catalog says. On the indexer's thread."""
