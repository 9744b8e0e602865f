"""Events were lost: when to scan for it, and when to say so."""

from __future__ import annotations

import logging
import os
import time

log = logging.getLogger(__name__)

_QUIET_SECONDS = 600.0  # so long without a loss makes the next one news
_SHARE = 5  # of the time, at most a fifth goes into scans for losses that go on and on


class LostEvents:
    """Spaces the scans after losses, which come in bursts. For the thread of one root.

    Args:
        root: named in the log.
    """

    def __init__(self, root: bytes) -> None:
        self._root = os.fsdecode(root)
        self.is_waiting = False
        self._last = float("-inf")
        self._scanned = float("-inf")
        self._scan_seconds = 0.0

    def happened(self) -> None:
        """Note a loss; say it once."""
        now = time.monotonic()
        news = now - self._last > _QUIET_SECONDS
        level = logging.WARNING if news else logging.DEBUG
        log.log(
            level,
            "events in %s were lost, as when the kernel's queue overflows; scanning instead",
            self._root,
        )
        self._last = now
        self.is_waiting = True

    def is_due(self) -> bool:
        """Whether to scan for a loss now; if so, it is taken care of."""
        now = time.monotonic()
        if not self.is_waiting or now < self._scanned + _SHARE * self._scan_seconds:
            return False
        self.is_waiting = False
        self._scanned = now
        return True

    def scan_took(self, seconds: float) -> None:
        """Note how long the last scan took; the first of a library takes longer than all later."""
        self._scan_seconds = seconds
