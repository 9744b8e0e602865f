"""Events were lost: when to scan for it, and when to say so."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

_QUIET_SECONDS = 600.0  # so long without a loss makes the next one news
_SHARE = 5  # of the time, at most a fifth goes into scans for losses that go on and on


class LostEvents:
    """Spaces the scans after losses, which come in bursts. For the watcher's thread."""

    def __init__(self) -> None:
        self.is_waiting = False
        self._last = float("-inf")
        self._not_before = 0.0
        self._scan_seconds = 0.0

    def happened(self) -> None:
        """Note a loss; say it once."""
        now = time.monotonic()
        news = now - self._last > _QUIET_SECONDS
        level = logging.WARNING if news else logging.DEBUG
        log.log(
            level, "file events were lost, as when the kernel's queue overflows; scanning instead"
        )
        self._last = now
        self.is_waiting = True

    def is_due(self) -> bool:
        """Whether to scan for a loss now; if so, it is taken care of."""
        now = time.monotonic()
        if not self.is_waiting or now < self._not_before:
            return False
        self.is_waiting = False
        self._not_before = now + _SHARE * self._scan_seconds
        return True

    def scan_took(self, seconds: float) -> None:
        """Note how long the scan of a root took."""
        self._scan_seconds = max(self._scan_seconds, seconds)
