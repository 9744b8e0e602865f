"""When new work has to wait: paused by the user, or resting on battery."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from clipd.config.options import PowerConfig
from clipd.ingest.power import on_battery

_LOOK_EVERY_SECONDS = 15.0


class Pause:
    """Tells whether indexing has to wait. Any thread; searches never wait."""

    def __init__(self, config: PowerConfig, is_on_battery: Callable[[], bool] = on_battery) -> None:
        self.config = config  # may be replaced at any time
        self._is_on_battery = is_on_battery
        self._paused = threading.Event()
        self._on_battery = False
        self._look_at = 0.0

    def pause(self) -> None:
        """Hold new work until ``resume``, or until clipd is started again; a reload keeps it."""
        self._paused.set()

    def resume(self) -> None:
        """Let work go on."""
        self._paused.clear()

    @property
    def is_paused(self) -> bool:
        """Whether the user holds the work."""
        return self._paused.is_set()

    @property
    def is_resting(self) -> bool:
        """Whether work waits for the machine to get mains power."""
        if self.config.on_battery != "rest":
            return False
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_SECONDS
            self._on_battery = self._is_on_battery()
        return self._on_battery

    @property
    def is_on(self) -> bool:
        """Whether new work has to wait."""
        return self.is_paused or self.is_resting
