"""Contents that are on their way to the encoder, so that no copy of one is decoded beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from clipd.decode.pool import DecodeJob
from clipd.photo import Decoded, Refused

Outcome = Decoded | Refused


class Claims:
    """Lets the first of several copies of one content be decoded; the others wait for it.

    Copies of a folder that are made at the same time would otherwise all be decoded and encoded,
    since none of them is in the catalog yet. ``is_known`` and ``report`` are called on the
    threads of the decoders, each of which works on one file at a time; ``release`` on the
    indexer's. One lock guards the set.
    """

    def __init__(
        self, has_vector: Callable[[bytes], bool], report: Callable[[DecodeJob, Outcome], None]
    ) -> None:
        """Make the claims.

        Args:
            has_vector: whether a content, given by its hash, needs no encoding.
            report: what ``report`` hands each outcome on to.
        """
        self._has_vector = has_vector
        self._report = report
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._mine = threading.local()

    def is_known(self, content_hash: bytes) -> bool:
        """Return whether a content needs no decoding now; if it does, it is this thread's."""
        with self._lock:
            if content_hash in self._claimed:
                return True
            self._claimed.add(content_hash)
        # Asked with the claim in hand: whoever had it before has committed its vector by now.
        if self._has_vector(content_hash):
            self.release(content_hash)
            return True
        self._mine.content_hash = content_hash
        return False

    def report(self, job: DecodeJob, outcome: Outcome) -> None:
        """Hand on an outcome; a claim whose file gave no pixels is given back."""
        claimed: bytes | None = getattr(self._mine, "content_hash", None)
        self._mine.content_hash = None
        has_pixels = isinstance(outcome, Decoded) and outcome.pixels is not None
        if claimed is not None and not has_pixels:
            self.release(claimed)
        self._report(job, outcome)

    def release(self, content_hash: bytes) -> None:
        """Give a content back: its photo is recorded, or will not be."""
        with self._lock:
            self._claimed.discard(content_hash)
