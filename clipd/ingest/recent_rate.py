"""How fast something went of late."""

from __future__ import annotations

import time
from collections import deque

_SECONDS = 30.0


class RecentRate:
    """Counts things as they are done. One thread adds; any may ask."""

    def __init__(self) -> None:
        self._lately: deque[tuple[float, int]] = deque()  # (time.monotonic(), how many)

    def add(self, count: int) -> None:
        """Note that so many are done."""
        now = time.monotonic()
        self._lately.append((now, count))
        while now - self._lately[0][0] > _SECONDS:
            self._lately.popleft()

    def a_second(self) -> float:
        """Return how many were done a second over the last half minute; 0 for none."""
        now = time.monotonic()
        recent = [(at, count) for at, count in list(self._lately) if now - at < _SECONDS]
        if not recent:
            return 0.0
        return sum(count for _, count in recent) / max(1.0, now - recent[0][0])
