"""When to open a catalog anew in which damage was met: at once, and then less and less often."""

from __future__ import annotations

_FIRST_SECONDS = 10.0
_LONGEST_SECONDS = 600.0


class Reopening:
    """Spaces what helps at once or not at all.

    A reader may meet damage that SQLite's check of all pages does not see. Opened anew without end,
    the catalog would be checked, and every search held up, every few seconds.
    """

    def __init__(self) -> None:
        self._last = float("-inf")
        self._wait_seconds = 0.0

    def is_due(self, now: float) -> bool:
        """Whether to open it anew now, on the monotonic clock; if so, it is taken for done."""
        since = now - self._last
        if since < self._wait_seconds:
            return False
        if since > 2 * _LONGEST_SECONDS:
            self._wait_seconds = 0.0  # it held
        self._wait_seconds = min(max(2 * self._wait_seconds, _FIRST_SECONDS), _LONGEST_SECONDS)
        self._last = now
        return True
