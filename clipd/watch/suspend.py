"""Notice that the machine slept: events of that time may be lost, disks may have changed."""

from __future__ import annotations

import time
from collections.abc import Callable

_NOISE_SECONDS = 1.0


def _seconds_slept() -> float:
    # Only CLOCK_BOOTTIME goes on while the machine is suspended (clock_gettime(2)).
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class SleepClock:
    """Tells whether the machine was suspended since it was last asked.

    Args:
        slept: the seconds that the machine has spent suspended since it started.
    """

    def __init__(self, slept: Callable[[], float] = _seconds_slept) -> None:
        self._slept = slept
        self._before = slept()

    def has_slept(self) -> bool:
        """Whether the machine was suspended since the last call."""
        now = self._slept()
        slept = now - self._before
        self._before = now
        return slept > _NOISE_SECONDS
